using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;

namespace Wick.Runtime
{
    /// <summary>
    /// What Console.Out and Console.Error are: a line is a record of a level, and what is
    /// written without a line's end is left as it is. TextWriter's other members come down to
    /// these.
    /// </summary>
    sealed class ConsoleWriter : TextWriter
    {
        readonly Log log;
        readonly string level;

        public ConsoleWriter(Log log, string level)
        {
            this.log = log;
            this.level = level;
        }

        public override Encoding Encoding { get { return new UTF8Encoding(false); } }

        void Line(string text)
        {
            log.Write(level, null, text, null);
        }

        public override void Write(char value) { log.Raw(value.ToString()); }
        public override void Write(string value) { log.Raw(value); }
        public override void Write(char[] buffer, int index, int count) { log.Raw(new string(buffer, index, count)); }

        public override void WriteLine() { Line(""); }
        public override void WriteLine(string value) { Line(value); }
        public override void WriteLine(char value) { Line(value.ToString()); }
        public override void WriteLine(char[] buffer) { Line(buffer == null ? "" : new string(buffer)); }
        public override void WriteLine(char[] buffer, int index, int count) { Line(new string(buffer, index, count)); }
        public override void WriteLine(bool value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(int value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(uint value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(long value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(ulong value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(float value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(double value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(decimal value) { Line(value.ToString(FormatProvider)); }
        public override void WriteLine(object value) { Line(value == null ? "" : value.ToString()); }
        public override void WriteLine(StringBuilder value) { Line(value == null ? "" : value.ToString()); }
        public override void WriteLine(string format, object a) { Line(string.Format(format, a)); }
        public override void WriteLine(string format, object a, object b) { Line(string.Format(format, a, b)); }
        public override void WriteLine(string format, object a, object b, object c) { Line(string.Format(format, a, b, c)); }
        public override void WriteLine(string format, params object[] args) { Line(string.Format(format, args)); }

        // Not on another thread, as TextWriter would: records keep their order.
        public override Task WriteAsync(char value) { return Done(() => Write(value)); }
        public override Task WriteAsync(string value) { return Done(() => Write(value)); }
        public override Task WriteAsync(char[] buffer, int index, int count) { return Done(() => Write(buffer, index, count)); }
        public override Task WriteLineAsync() { return Done(WriteLine); }
        public override Task WriteLineAsync(char value) { return Done(() => WriteLine(value)); }
        public override Task WriteLineAsync(string value) { return Done(() => WriteLine(value)); }
        public override Task WriteLineAsync(char[] buffer, int index, int count) { return Done(() => WriteLine(buffer, index, count)); }
        public override Task FlushAsync() { return Task.CompletedTask; }

        static Task Done(Action write)
        {
            write();
            return Task.CompletedTask;
        }
    }
}
