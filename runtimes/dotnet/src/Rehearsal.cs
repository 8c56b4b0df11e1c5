using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json;

namespace Wick.Runtime
{
    /// <summary>
    /// Does once, before there is a function, what an invocation does: so what .NET compiles and
    /// loads for it is there when one comes. Nothing of it is seen.
    /// </summary>
    static class Rehearsal
    {
        const string Handler = "wick-rehearsal::Rehearsal.Function::Handle";

        const string Answers = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 1\r\nContent-Length: 2\r\n\r\n{}"
            + "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

        /// <summary>Runs the function that lies in a folder, that of the runtime.</summary>
        public static void Run(string folder)
        {
            var log = new Log(true, Stream.Null);
            log.TakeOverConsole();
            Console.WriteLine("x");
            GC.KeepAlive("x".ToUpper() + CultureInfo.CurrentCulture.Name);
            Program.LimitMemory();
            var package = new Package(folder, Handler);
            package.Fits(true);
            package.Use();
            Function function = Functions.Load(Handler, log);
            package.Forget();
            var api = new Api(new Canned(Encoding.ASCII.GetBytes(Answers)), "x");
            for (int i = 0; i < 2; i++)
            {
                string refusal;
                Invocation e = api.Next(out refusal);
                log.Refused(refusal);
                log.Invocation = e;
                var answer = new MemoryStream();
                function.Call(e, answer);
                log.Refused(api.Respond(e.RequestId, answer));
            }
            // What most functions' serializers come down to.
            var sample = (Sample)JsonSerializer.Deserialize("{\"Text\":\"x\",\"Number\":1,\"All\":[\"x\"],\"More\":{\"a\":\"b\"}}", typeof(Sample), new JsonSerializerOptions());
            JsonSerializer.SerializeToUtf8Bytes(sample, typeof(Sample), new JsonSerializerOptions());
        }

        sealed class Sample
        {
            public string Text { get; set; }
            public int Number { get; set; }
            public List<string> All { get; set; }
            public Dictionary<string, string> More { get; set; }
        }

        /// <summary>A connection that answers from memory.</summary>
        sealed class Canned : Connection
        {
            byte[] answers;

            public Canned(byte[] answers)
            {
                this.answers = answers;
            }

            public override int Receive(byte[] buffer)
            {
                int n = answers.Length;
                answers.CopyTo(buffer, 0);
                answers = new byte[0];
                return n;
            }

            public override bool Ready(int milliseconds)
            {
                return true;
            }

            public override bool Send(byte[] bytes, int length)
            {
                return true;
            }
        }
    }
}
