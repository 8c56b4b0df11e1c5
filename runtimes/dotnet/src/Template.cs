using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Wick.Runtime
{
    /// <summary>
    /// A message with properties in braces, such as "{count} of {total:N2}", which arguments fill
    /// in order; or by position, when they are {0}, {1}, … without a gap. A doubled brace opens
    /// none, and stays doubled.
    ///
    /// Source: AWS Lambda developer guide, C# logging, structured logging with parameters.
    /// </summary>
    sealed class Template
    {
        /// <summary>One property: {name}, {name:format}, {@name}.</summary>
        public sealed class Property
        {
            public string Token; // with its braces
            public string Name;
            public string Format; // null without one
            public bool AsJson; // @
        }

        const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
        const int MaxBytesShown = 16;

        public readonly List<Property> Properties = new List<Property>();
        readonly string text;
        readonly bool positional;

        public Template(string text)
        {
            this.text = text;
            for (int i = 0; i < text.Length; i++)
            {
                int end = PropertyEnd(i);
                if (end > i + 1 && end < text.Length)
                {
                    Properties.Add(Parsed(text.Substring(i + 1, end - i - 1)));
                }
                i = Math.Max(i, end);
            }
            positional = Positional();
        }

        /// <summary>
        /// Where the property that starts at an index ends: at its closing brace. It is the second
        /// of two opening braces, the text's length for one that never closes, and -1 where none
        /// starts.
        /// </summary>
        int PropertyEnd(int at)
        {
            if (text[at] != '{')
            {
                return -1;
            }
            if (at + 1 < text.Length && text[at + 1] == '{')
            {
                return at + 1;
            }
            int end = text.IndexOf('}', at);
            return end < 0 ? text.Length : end;
        }

        static Property Parsed(string inside)
        {
            var p = new Property { Token = "{" + inside + "}" };
            if (inside[0] == '@')
            {
                p.AsJson = true;
                inside = inside.Substring(1);
            }
            int colon = inside.IndexOf(':');
            p.Name = (colon < 0 ? inside : inside.Substring(0, colon)).Trim();
            string format = colon < 0 ? "" : inside.Substring(colon + 1).Trim();
            p.Format = format.Length == 0 ? null : format;
            return p;
        }

        bool Positional()
        {
            var seen = new HashSet<int>();
            int highest = -1;
            foreach (Property p in Properties)
            {
                int n;
                if (!int.TryParse(p.Name, NumberStyles.Integer, CultureInfo.InvariantCulture, out n) || n < 0)
                {
                    return false;
                }
                seen.Add(n);
                highest = Math.Max(highest, n);
            }
            return seen.Count > 0 && seen.Count == highest + 1;
        }

        /// <summary>The argument of a property, null for none; found says whether there is one.</summary>
        public object Argument(int property, object[] args, out bool found)
        {
            int n = positional ? int.Parse(Properties[property].Name, CultureInfo.InvariantCulture) : property;
            found = n < args.Length;
            return found ? args[n] : null;
        }

        /// <summary>The message with its properties filled in.</summary>
        public string Fill(object[] args)
        {
            var filled = new StringBuilder(text.Length + 32);
            int property = 0;
            for (int i = 0; i < text.Length; i++)
            {
                if (!positional && (property >= Properties.Count || property >= args.Length))
                {
                    return filled.Append(text, i, text.Length - i).ToString();
                }
                int end = PropertyEnd(i);
                if (end < 0)
                {
                    filled.Append(text[i]);
                    continue;
                }
                if (end < text.Length && text[end] == '{' || end == i + 1)
                {
                    filled.Append(text, i, end - i + 1);
                }
                else if (end < text.Length)
                {
                    bool found;
                    filled.Append(Shown(Properties[property], Argument(property, args, out found)));
                    property++;
                }
                i = end;
            }
            return filled.ToString();
        }

        static string Shown(Property p, object value)
        {
            string bytes = Bytes(value);
            if (bytes != null)
            {
                return bytes;
            }
            if (value == null || value is IList || value is IDictionary)
            {
                return p.Token;
            }
            return p.Format != null ? Formatted(value, p.Format) : Time(value) ?? value.ToString();
        }

        /// <summary>A value in a format of its own, or as it is where that isn't one.</summary>
        public static string Formatted(object value, string format)
        {
            try
            {
                return string.Format("{0:" + format + "}", value);
            }
            catch (FormatException)
            {
                return value.ToString();
            }
        }

        /// <summary>A time or date as logs have it, null for other values.</summary>
        public static string Time(object value)
        {
            var formattable = value as IFormattable;
            string type = formattable == null ? "" : value.GetType().FullName;
            switch (type)
            {
                case "System.DateTime":
                case "System.DateTimeOffset": return formattable.ToString(TimeFormat, CultureInfo.InvariantCulture);
                case "System.DateOnly": return formattable.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
                case "System.TimeOnly": return formattable.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
            }
            return null;
        }

        /// <summary>The first bytes of several, null for other values.</summary>
        public static string Bytes(object value)
        {
            var bytes = value as byte[];
            if (value is ReadOnlyMemory<byte>)
            {
                bytes = ((ReadOnlyMemory<byte>)value).ToArray();
            }
            else if (value is Memory<byte>)
            {
                bytes = ((Memory<byte>)value).ToArray();
            }
            if (bytes == null)
            {
                return null;
            }
            var hex = new StringBuilder();
            for (int i = 0; i < bytes.Length && i < MaxBytesShown; i++)
            {
                hex.Append(bytes[i].ToString("X2"));
            }
            return bytes.Length > MaxBytesShown ? hex + "... (" + bytes.Length + " bytes)" : hex.ToString();
        }
    }
}
