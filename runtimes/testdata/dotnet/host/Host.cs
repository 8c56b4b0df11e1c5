using System;
using System.IO;
using System.Text;
using System.Threading;
using Amazon.Lambda.Core;

namespace Amazon.Lambda.PowerShellHost
{
    /// <summary>
    /// Made like the class that AWS's packages of PowerShell functions come down to: a handler in
    /// a library, that reads its script from the package and logs from another thread.
    /// </summary>
    public abstract class PowerShellFunctionHost
    {
        readonly string script;

        protected PowerShellFunctionHost(string script)
        {
            this.script = script;
        }

        public Stream ExecuteFunction(Stream input, ILambdaContext context)
        {
            string text = File.ReadAllText(script);
            var thread = new Thread(() => context.Logger.LogLine("[Information] - " + text));
            thread.Start();
            thread.Join();
            string got = new StreamReader(input).ReadToEnd();
            return new MemoryStream(Encoding.UTF8.GetBytes("{\"input\":" + got + ",\"of\":\"" + context.FunctionName + "\"}"));
        }
    }
}
