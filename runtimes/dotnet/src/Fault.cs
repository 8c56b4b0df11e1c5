using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;

namespace Wick.Runtime
{
    /// <summary>
    /// What is told of an exception to the invoker, the log and X-Ray. Traces end where our own
    /// code begins.
    ///
    /// Source: aws-lambda-dotnet's error objects, whose layout is theirs to the space.
    /// </summary>
    static class Fault
    {
        const int MaxBytes = 256 * 1024;
        const string TooLong = "{\"errorMessage\": \"Exception exceeded maximum payload size of 256KB.\"}";
        const string OurFrame = "at Wick.Runtime.";

        /// <summary>The error object.</summary>
        public static byte[] Json(Exception e)
        {
            string text = Object(e, 0, false, MaxBytes);
            return Encoding.UTF8.GetBytes(text ?? TooLong);
        }

        /// <summary>Returns null where it would be longer than room.</summary>
        static string Object(Exception e, int depth, bool comma, int room)
        {
            string margin = new string(' ', 2 * depth);
            var o = new StringBuilder();
            o.Append(margin).Append("{\n");
            o.Append(margin).Append("  \"errorType\": \"").Append(Escaped(e.GetType().Name)).Append('"');
            if (e.Message != null)
            {
                o.Append(",\n").Append(margin).Append("  \"errorMessage\": \"").Append(Escaped(e.Message)).Append('"');
            }
            List<string> frames = Frames(e);
            if (frames.Count > 0)
            {
                o.Append(",\n").Append(margin).Append("  \"stackTrace\": [\n");
                for (int i = 0; i < frames.Count; i++)
                {
                    o.Append(i == 0 ? "" : ",\n").Append(margin).Append("    \"").Append(Escaped(frames[i])).Append('"');
                }
                o.Append('\n').Append(margin).Append("  ]");
            }
            if (e.InnerException == null)
            {
                o.Append('\n');
            }
            else
            {
                Causes(e, depth, room, o);
            }
            o.Append(margin).Append(comma ? "},\n" : "}\n");
            return room > 0 && Encoding.UTF8.GetByteCount(o.ToString()) <= room ? o.ToString() : null;
        }

        static void Causes(Exception e, int depth, int room, StringBuilder o)
        {
            string margin = new string(' ', 2 * depth + 2);
            var several = e as AggregateException;
            o.Append(",\n").Append(margin).Append("\"cause\": ");
            o.Append(Object(e.InnerException, depth + 1, several != null, room - o.Length) ?? TooLong + "\n");
            if (several == null)
            {
                return;
            }
            o.Append(margin).Append("\"causes\": [");
            for (int i = 0; i < several.InnerExceptions.Count; i++)
            {
                string inner = Object(several.InnerExceptions[i], depth + 2, i < several.InnerExceptions.Count - 1, room - o.Length);
                if (inner == null)
                {
                    o.Append(margin).Append("  ").Append(TooLong).Append('\n');
                    break;
                }
                o.Append(inner);
            }
            o.Append(margin).Append("]\n");
        }

        static List<string> Frames(Exception e)
        {
            var frames = new List<string>();
            if (string.IsNullOrEmpty(e.StackTrace))
            {
                return frames;
            }
            foreach (string line in new StackTrace(e, true).ToString().Split('\n'))
            {
                string frame = line.Trim();
                if (frame.StartsWith(OurFrame, StringComparison.Ordinal))
                {
                    break;
                }
                if (frame.Length > 0)
                {
                    frames.Add(frame);
                }
            }
            return frames;
        }

        /// <summary>The log's text: all of the exception but our own frames.</summary>
        public static string Describe(Exception e)
        {
            string all = e.ToString();
            if (all.IndexOf(OurFrame, StringComparison.Ordinal) < 0)
            {
                return all;
            }
            var text = new StringBuilder();
            foreach (string line in all.Split('\n'))
            {
                if (!line.TrimStart().StartsWith(OurFrame, StringComparison.Ordinal))
                {
                    text.Append(text.Length == 0 ? "" : "\n").Append(line);
                }
            }
            return text.ToString();
        }

        /// <summary>Source: X-Ray segment documents, errors and exceptions.</summary>
        public static string XRayCause(Exception e)
        {
            var o = new StringBuilder();
            o.Append("{\"working_directory\":\"").Append(Escaped(Environment.CurrentDirectory)).Append("\",\"exceptions\":[{\"type\":\"");
            o.Append(Escaped(e.GetType().Name)).Append("\",\"message\":\"").Append(Escaped(e.Message ?? "")).Append('"');
            var paths = new List<string>();
            StackFrame[] frames = new StackTrace(e, true).GetFrames();
            string separator = ",\"stack\":[";
            foreach (StackFrame frame in frames ?? new StackFrame[0])
            {
                var method = frame.GetMethod();
                string type = method == null || method.DeclaringType == null ? null : method.DeclaringType.FullName;
                if (type != null && type.StartsWith("Wick.Runtime.", StringComparison.Ordinal))
                {
                    break;
                }
                o.Append(separator).Append('{');
                string path = frame.GetFileName();
                if (path != null)
                {
                    o.Append("\"path\":\"").Append(Escaped(path)).Append("\",");
                    if (!paths.Contains(path))
                    {
                        paths.Add(path);
                    }
                }
                string label = method == null ? "" : (type == null ? "" : method.DeclaringType.Name + ".") + method.Name;
                o.Append("\"label\":\"").Append(Escaped(label)).Append('"');
                if (path != null)
                {
                    o.Append(",\"line\":").Append(frame.GetFileLineNumber());
                }
                o.Append('}');
                separator = ",";
            }
            o.Append(separator == "," ? "]" : "").Append("}],\"paths\":[");
            for (int i = 0; i < paths.Count; i++)
            {
                o.Append(i == 0 ? "\"" : ",\"").Append(Escaped(paths[i])).Append('"');
            }
            return o.Append("]}").ToString();
        }

        /// <summary>A text as JSON has it, without blanks around it.</summary>
        static string Escaped(string text)
        {
            var s = new StringBuilder(text.Length + 16);
            foreach (char c in text)
            {
                switch (c)
                {
                    case '\n': s.Append("\\n"); break;
                    case '\r': s.Append("\\r"); break;
                    case '\t': s.Append("\\t"); break;
                    case '\f': s.Append("\\f"); break;
                    case '\b': s.Append("\\b"); break;
                    case '"': s.Append("\\\""); break;
                    case '\\': s.Append("\\\\"); break;
                    default:
                        if (c < ' ' || c == '\u0085' || c == '\u2028' || c == '\u2029')
                        {
                            s.Append("\\u").Append(((int)c).ToString("X4"));
                        }
                        else
                        {
                            s.Append(c);
                        }
                        break;
                }
            }
            return s.ToString().Trim();
        }
    }
}
