using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Dotnet
{
    public class Own : Exception
    {
        public override string Message { get { return "own words"; } }
    }

    /// <summary>Fails as the event asks, and else answers "fine".</summary>
    public class Function
    {
        public object FunctionHandler(Dictionary<string, string> input)
        {
            string how;
            return input.TryGetValue("do", out how) ? Do(how) : "fine";
        }

        static object Do(string how)
        {
            switch (how)
            {
                case "throw": throw new ArgumentException("bad value");
                case "own": throw new Own();
                case "circular": return new Circle();
                case "recursion": return Deeper(1);
                case "write": File.WriteAllText("/var/task/new", "x"); return null;
                case "exit": Console.WriteLine("leaving"); Environment.Exit(7); return null;
                case "exit 0": Environment.Exit(0); return null;
                case "fail fast": Environment.FailFast("I quit"); return null;
                case "beside": new Thread(() => { throw new Exception("beside"); }).Start(); Thread.Sleep(Timeout.Infinite); return null;
                case "lost": Task.Run(() => { throw new Exception("lost"); }); Thread.Sleep(50); return "survived";
                case "kill": Process.GetCurrentProcess().Kill(); Thread.Sleep(Timeout.Infinite); return null;
                case "null": return Marshal.ReadInt32(IntPtr.Zero);
                case "sleep": Console.WriteLine("sleeping"); Thread.Sleep(100000); return null;
                case "loop": while (true) { }
                case "heap": return Grow();
                case "memory": return Unmanaged();
                case "too large": return new string('x', 6291556 - 1);
                case "largest": return new string('x', 6291556 - 2);
                case "large error": throw new Exception(new string('x', 7 << 20));
                case "full": return Fill();
                case "files": return Open();
            }
            return null;
        }

        class Circle
        {
            public Circle Self { get { return this; } }
        }

        static int Deeper(int n)
        {
            return Deeper(n + 1) + n;
        }

        static object Grow()
        {
            var all = new List<byte[]>();
            while (all.Count < 300)
            {
                all.Add(new byte[1 << 20]);
            }
            return all.Count;
        }

        static object Unmanaged()
        {
            IntPtr at = Marshal.AllocHGlobal(300 << 20);
            for (int i = 0; i < 300 << 20; i += 4096)
            {
                Marshal.WriteByte(at, i, 1);
            }
            return "all of it";
        }

        static object Fill()
        {
            try
            {
                using (var file = new FileStream("/tmp/full", FileMode.Create, FileAccess.Write, FileShare.None, 1))
                {
                    for (var part = new byte[8 << 20]; ;)
                    {
                        file.Write(part, 0, part.Length);
                    }
                }
            }
            finally
            {
                File.Delete("/tmp/full");
            }
        }

        static object Open()
        {
            var files = new List<FileStream>();
            try
            {
                while (true)
                {
                    files.Add(new FileStream("/dev/null", FileMode.Open, FileAccess.Read));
                }
            }
            finally
            {
                files.ForEach(f => f.Dispose());
            }
        }
    }

    public class Early
    {
        static readonly int number = int.Parse("early");
        public static object FunctionHandler(Dictionary<string, string> input) { return number; }
    }

    public class Leaving
    {
        public Leaving() { Console.WriteLine("loading"); Environment.Exit(3); }
        public object FunctionHandler(Dictionary<string, string> input) { return null; }
    }

    public class Hungry
    {
        readonly object all = Food.Eat();
        public object FunctionHandler(Dictionary<string, string> input) { return all; }
    }

    static class Food
    {
        public static object Eat()
        {
            return new Function().FunctionHandler(new Dictionary<string, string> { { "do", "memory" } });
        }
    }
}
