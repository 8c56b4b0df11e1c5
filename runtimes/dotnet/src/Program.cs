using System;
using System.Globalization;
using System.IO;
using System.Reflection;

namespace Wick.Runtime
{
    /// <summary>
    /// The .NET runtime of class libraries: what the bootstrap script beside it starts in an
    /// instance. It loads the function named by _HANDLER, asks the Runtime API for events, and
    /// answers them.
    /// </summary>
    static class Program
    {
        const string TraceVariable = "_X_AMZN_TRACE_ID";

        const string InvariantVariable = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT";

        /// <summary>What an answer's buffer may keep until the next event.</summary>
        const int MaxKeptBytes = 1 << 20;

        /// <summary>
        /// The arguments: "framed" or "plain" is how log records are written, and the rest are
        /// variables that the script has set for .NET itself. The function, whose processes
        /// inherit what is visible here, doesn't see them. Or "stem", and the command line that
        /// starts the script.
        /// </summary>
        static void Main(string[] args)
        {
            try
            {
                Api api;
                bool stem = args[0] == "stem";
                if (stem)
                {
                    api = Stem.Await(Rest(args));
                }
                else
                {
                    Hide(Rest(args));
                    string address = Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API");
                    api = new Api(Connection.To(address), address);
                }
                LimitMemory();
                var log = new Log(stem || args[0] == "framed", Console.OpenStandardOutput());
                log.TakeOverConsole();
                AppDomain.CurrentDomain.AssemblyLoad += (sender, loaded) => log.TakeOver(loaded.LoadedAssembly);
                Function function;
                try
                {
                    function = Functions.Load(Environment.GetEnvironmentVariable("_HANDLER"), log);
                }
                catch (Exception e)
                {
                    log.Fault(e);
                    api.FailInit(Fault.Json(e), e.GetType().Name);
                    Environment.Exit(1); // also where the function has started threads
                    return;
                }
                Serve(api, function, log);
            }
            catch (Api.Disconnected)
            {
                Environment.Exit(1); // the instance is going away
            }
        }

        static string[] Rest(string[] args)
        {
            var rest = new string[args.Length - 1];
            Array.Copy(args, 1, rest, 0, rest.Length);
            return rest;
        }

        static void Hide(string[] variables)
        {
            foreach (string name in variables)
            {
                if (name == InvariantVariable)
                {
                    GC.KeepAlive(CultureInfo.CurrentCulture); // reads it, at the last moment
                }
                Environment.SetEnvironmentVariable(name, null);
            }
        }

        static void Serve(Api api, Function function, Log log)
        {
            var answer = new MemoryStream();
            while (true)
            {
                string refusal;
                Invocation e = api.Next(out refusal);
                log.Refused(refusal);
                log.Invocation = e;
                Environment.SetEnvironmentVariable(TraceVariable, e.TraceId);
                if (answer.Capacity > MaxKeptBytes)
                {
                    answer = new MemoryStream();
                }
                answer.SetLength(0);
                try
                {
                    function.Call(e, answer);
                }
                catch (Exception thrown)
                {
                    log.Fault(thrown);
                    api.Fail(e.RequestId, Fault.Json(thrown), thrown.GetType().Name, Fault.XRayCause(thrown));
                    continue;
                }
                log.Refused(api.Respond(e.RequestId, answer));
            }
        }

        /// <summary>
        /// Tells the garbage collector of the function's memory, unless the function has said
        /// less. .NET 8 and later can be told while they run.
        /// Source: aws-lambda-dotnet, Amazon.Lambda.RuntimeSupport, memory settings.
        /// </summary>
        public static void LimitMemory()
        {
            int megabytes;
            MethodInfo refresh = typeof(GC).GetMethod("RefreshMemoryLimit", Type.EmptyTypes);
            if (refresh == null
                || string.Equals(Environment.GetEnvironmentVariable("AWS_LAMBDA_DOTNET_DISABLE_MEMORY_LIMIT_CHECK"), "true", StringComparison.OrdinalIgnoreCase)
                || !int.TryParse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), out megabytes))
            {
                return;
            }
            ulong bytes = (ulong)megabytes << 20;
            if ((ulong)GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < bytes)
            {
                return;
            }
            AppDomain.CurrentDomain.SetData("GCHeapHardLimit", bytes);
            try
            {
                refresh.Invoke(null, null);
            }
            catch (TargetInvocationException)
            {
                // The heap is over it already: the instance's own limit holds.
            }
        }
    }
}
