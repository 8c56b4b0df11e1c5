using System;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Text;

namespace Wick.Runtime
{
    /// <summary>
    /// The function's log: Console, ILambdaLogger and LambdaLogger, in one of three formats.
    ///
    /// Source: AWS Lambda developer guide, C# logging; aws-lambda-dotnet for what it leaves open.
    /// </summary>
    sealed class Log
    {
        const uint Magic = 0xa55a0003;

        /// <summary>A longer record is several. Source: CloudWatch Logs quotas, log event size.</summary>
        const int MaxFrameBytes = 1 << 20;

        static readonly DateTime epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        static readonly string[] levels = { "Trace", "Debug", "Information", "Warning", "Error", "Critical" };
        static readonly string[] labels = { "trce", "dbug", "info", "warn", "fail", "crit" };

        readonly bool framed;
        readonly Stream output;
        readonly int lowest;
        readonly bool json;
        readonly bool prefixed;

        /// <summary>Whose records they are; null during init.</summary>
        public volatile Invocation Invocation;

        public Log(bool framed, Stream output)
        {
            this.framed = framed;
            this.output = output;
            lowest = Lowest(Setting("AWS_LAMBDA_HANDLER_LOG_LEVEL", "AWS_LAMBDA_LOG_LEVEL"));
            string format = Setting("AWS_LAMBDA_HANDLER_LOG_FORMAT", "AWS_LAMBDA_LOG_FORMAT");
            json = string.Equals(format, "Json", StringComparison.OrdinalIgnoreCase);
            prefixed = !string.Equals(format, "Unformatted", StringComparison.OrdinalIgnoreCase);
        }

        static string Setting(string name, string otherwise)
        {
            string value = Environment.GetEnvironmentVariable(name);
            return string.IsNullOrEmpty(value) ? Environment.GetEnvironmentVariable(otherwise) : value;
        }

        static int Lowest(string level)
        {
            if (string.Equals(level, "fatal", StringComparison.OrdinalIgnoreCase))
            {
                return 5;
            }
            if (string.Equals(level, "warn", StringComparison.OrdinalIgnoreCase))
            {
                return 3;
            }
            int n = LevelOf(level);
            return n < 0 ? 2 : n;
        }

        /// <summary>A level's number, by its name or as one; -1 for another.</summary>
        static int LevelOf(string level)
        {
            for (int i = 0; i < levels.Length; i++)
            {
                if (string.Equals(level, levels[i], StringComparison.OrdinalIgnoreCase))
                {
                    return i;
                }
            }
            int n;
            return int.TryParse(level, out n) && n >= 0 && n < levels.Length ? n : -1;
        }

        public void TakeOverConsole()
        {
            Console.SetOut(new ConsoleWriter(this, "Information"));
            Console.SetError(new ConsoleWriter(this, "Error"));
        }

        /// <summary>
        /// Has LambdaLogger of Amazon.Lambda.Core write here, when that is what was loaded. Its
        /// versions have up to three private fields for it, made to be found like this.
        /// </summary>
        public void TakeOver(Assembly loaded)
        {
            if (loaded.GetName().Name != "Amazon.Lambda.Core")
            {
                return;
            }
            Type logger = loaded.GetType("Amazon.Lambda.Core.LambdaLogger");
            if (logger == null)
            {
                return;
            }
            Set(logger, "_loggingAction", new Action<string>(message => Write(null, null, message, null)));
            Set(logger, "_loggingWithLevelAction", new Action<string, string, object[]>((level, message, args) => Write(level, null, message, args)));
            Set(logger, "_loggingWithLevelAndExceptionAction",
                new Action<string, Exception, string, object[]>((level, exception, message, args) => Write(level, exception, message, args)));
        }

        static void Set(Type type, string name, Delegate value)
        {
            FieldInfo field = type.GetField(name, BindingFlags.NonPublic | BindingFlags.Static);
            if (field != null && field.FieldType == value.GetType())
            {
                field.SetValue(null, value);
            }
        }

        /// <summary>An exception that ended an invocation or init.</summary>
        public void Fault(Exception e)
        {
            Write("Error", e, null, null);
        }

        /// <summary>Why the API has refused an answer; nothing for null.</summary>
        public void Refused(string why)
        {
            if (why != null)
            {
                Write("Error", null, why, null);
            }
        }

        /// <summary>
        /// Writes a record of one level. A level that has no such name is never left out, and is
        /// shown as the lowest: so AWS's does.
        /// </summary>
        public void Write(string level, Exception exception, string message, object[] args)
        {
            int n = LevelOf(level);
            if (n >= 0 && n < lowest)
            {
                return;
            }
            DateTime now = DateTime.UtcNow;
            message = message ?? "";
            Template template = args == null || args.Length == 0 ? null : new Template(message);
            string text = template == null ? message : template.Fill(args);
            string time = now.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            Invocation current = Invocation;
            if (json)
            {
                Record(JsonRecord.Write(time, levels[Math.Max(n, 0)], current, text, template, args, exception), now);
                return;
            }
            var line = new StringBuilder(text.Length + 80);
            if (prefixed)
            {
                line.Append(time).Append('\t').Append(current == null ? "" : current.RequestId).Append('\t').Append(labels[Math.Max(n, 0)]).Append('\t');
            }
            line.Append(text);
            if (exception != null)
            {
                line.Append(text.Length > 0 ? "\n" : "").Append(Runtime.Fault.Describe(exception));
            }
            Record(line.ToString(), now);
        }

        /// <summary>Writes a text as it is: what Console.Write is given.</summary>
        public void Raw(string text)
        {
            if (!string.IsNullOrEmpty(text))
            {
                Frames(Encoding.UTF8.GetBytes(text), DateTime.UtcNow);
            }
        }

        void Record(string text, DateTime at)
        {
            Frames(Encoding.UTF8.GetBytes(framed ? text : text + "\n"), at);
        }

        void Frames(byte[] text, DateTime at)
        {
            lock (output)
            {
                try
                {
                    if (!framed)
                    {
                        output.Write(text, 0, text.Length);
                        return;
                    }
                    int length = text.Length > 0 && text[text.Length - 1] == '\n' ? text.Length - 1 : text.Length;
                    long microseconds = (at - epoch).Ticks / 10;
                    int start = 0;
                    do
                    {
                        int part = Math.Min(MaxFrameBytes, length - start);
                        var frame = new byte[16 + part];
                        Number(frame, 0, Magic, 4);
                        Number(frame, 4, part, 4);
                        Number(frame, 8, microseconds, 8);
                        Buffer.BlockCopy(text, start, frame, 16, part);
                        output.Write(frame, 0, frame.Length);
                        start += part;
                    } while (start < length);
                }
                catch (IOException)
                {
                    // Nobody reads the log any more: the instance is going away.
                }
            }
        }

        static void Number(byte[] to, int at, long n, int bytes)
        {
            for (int i = bytes - 1; i >= 0; i--, n >>= 8)
            {
                to[at + i] = (byte)n;
            }
        }
    }
}
