using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Fn
{
    public class Oops : Exception
    {
        public Oops(string message, Exception inner) : base(message, inner) { }
    }

    public class Failures
    {
        public string Throw(string text) { throw new ArgumentException("no \"" + text + "\"\nreally"); }
        public async Task<string> ThrowLater(string text) { await Task.Delay(5); throw new InvalidOperationException("later"); }
        public string Caused(string text)
        {
            try { Throw(text); return ""; }
            catch (Exception e) { throw new Oops("outer", e); }
        }
        public string Several(string text)
        {
            throw new AggregateException("some", new Exception("one"), new Oops("two", new Exception("of two")));
        }
        public string Long(string text) { throw new Exception(new string('x', 300000)); }
        public string Exit(string text) { Environment.Exit(3); return ""; }
        public string ExitCleanly(string text) { Environment.Exit(0); return ""; }
        public string FailFast(string text) { Environment.FailFast("I quit"); return ""; }
        public string OnAnotherThread(string text)
        {
            new Thread(() => { throw new Exception("on another thread"); }).Start();
            Thread.Sleep(Timeout.Infinite);
            return "";
        }
        public string Deep(string text) { return Deep(text + 1) + Deep(text); }
        public string Bad(int number) { return ""; }
    }

    public class InConstructor
    {
        public InConstructor() { throw new InvalidOperationException("not made"); }
        public string Handle(string text) { return text; }
    }

    public class InStatic
    {
        static readonly int number = int.Parse("x");
        public static string Handle(string text) { return text + number; }
    }

    public class Unknown
    {
        Missing.Nothing nothing = new Missing.Nothing();
        public string Handle(string text) { return text + nothing; }
    }

    public class Logging
    {
        public void Console(string text)
        {
            System.Console.WriteLine("a line");
            System.Console.Error.WriteLine("an error\nof two lines");
            System.Console.Write("raw ");
            System.Console.Write("text\n");
            System.Console.WriteLine(1.5);
            System.Console.WriteLine("{0} and {1}", 1, "two");
            System.Console.WriteLine();
            System.Console.Out.WriteLineAsync("async").Wait();
            System.Console.WriteLine(true);
            System.Console.WriteLine(new object[] { 1 }.Length);
        }

        public void Levels(string text, ILambdaContext c)
        {
            c.Logger.LogLine("a line");
            c.Logger.Log("raw\n");
            foreach (string level in new[] { "Trace", "Debug", "Information", "Warning", "Error", "Critical", "other" })
            {
                c.Logger.Log(level, "at " + level);
            }
            LambdaLogger.Log("static");
            LambdaLogger.Log("Warning", "{0} of {1}", 1, 2);
            LambdaLogger.Log("Error", new Exception("logged"), "with {what}", "it");
        }

        public void Templates(string text, ILambdaContext c)
        {
            c.Logger.Log("Information", "{count} of {total:N1} {@order} {list} {bytes} {{kept}} {missing}", 3, 4.26, new Point { X = 1, Y = 2 },
                new[] { 1, 2 }, new byte[] { 1, 171 });
            c.Logger.Log("Information", "{1} {0} {1}", "a", new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
            c.Logger.Log("Information", "ünï <&> {open", "lost");
        }
    }
}
