using System;
using System.IO;
using System.Text;

namespace Wick.Runtime
{
    /// <summary>
    /// A Runtime API client on a bare connection: HttpClient loads dozens of assemblies, and a
    /// response and the poll behind it would be two writes. Here they leave together. Not for
    /// several threads at once.
    ///
    /// Source: Lambda runtime API, 2018-06-01.
    /// </summary>
    sealed class Api
    {
        /// <summary>The API has closed the connection: the instance is going away.</summary>
        public sealed class Disconnected : Exception
        {
        }

        const string Prefix = "/2018-06-01/runtime/";

        /// <summary>
        /// Over this the API refuses a response, and its answer has to be read before the next
        /// poll. Source: Lambda quotas, invocation payload.
        /// </summary>
        const int MaxResponseBytes = 6 * 1024 * 1024 + 100;

        /// <summary>The API takes heads of 64 KiB in all; a longer X-Ray cause is left out.</summary>
        const int MaxHeaderBytes = 48 * 1024;

        /// <summary>What is kept of the buffers between events.</summary>
        const int MaxKeptBytes = 1 << 20;

        readonly Connection connection;
        readonly string tail;
        readonly byte[] poll;
        readonly byte[] buffer = new byte[64 * 1024];
        int start;
        int end;
        int status;
        MemoryStream unsent = new MemoryStream();

        /// <summary>A client on a connection to HOST:PORT.</summary>
        public Api(Connection connection, string address)
        {
            this.connection = connection;
            tail = " HTTP/1.1\r\nHost: " + address + "\r\n";
            poll = Encoding.ASCII.GetBytes("GET " + Prefix + "invocation/next" + tail + "\r\n");
        }

        /// <summary>Asks which function to become; true where that is known in some milliseconds.</summary>
        public bool Ask(int milliseconds)
        {
            byte[] ask = Encoding.ASCII.GetBytes("GET /wick/assign" + tail + "\r\n");
            unsent.Write(ask, 0, ask.Length);
            Send();
            return connection.Ready(milliseconds);
        }

        /// <summary>Waits for the answer to that.</summary>
        public byte[] Assignment()
        {
            return Read(null);
        }

        /// <summary>
        /// Waits for the next event. A response kept by Respond leaves first; a refusal of it is
        /// returned as a text, which is null when all is well.
        /// </summary>
        public Invocation Next(out string refusal)
        {
            bool answered = unsent.Length > 0;
            unsent.Write(poll, 0, poll.Length);
            Send();
            refusal = answered ? Refused(Read(null)) : null;
            var invocation = new Invocation();
            invocation.Body = Read(invocation);
            if (status != 200)
            {
                throw new IOException("the Runtime API answered a poll with " + status);
            }
            return invocation;
        }

        /// <summary>
        /// Answers an invocation; leaves together with the poll that follows, unless it is one
        /// that the API refuses: then why is returned.
        /// </summary>
        public string Respond(string requestId, MemoryStream body)
        {
            Message("invocation/" + requestId + "/response", "Content-Type: application/json\r\n", body.GetBuffer(), (int)body.Length);
            return body.Length > MaxResponseBytes ? Flush() : null;
        }

        /// <summary>Ends an invocation with an error object.</summary>
        public void Fail(string requestId, byte[] body, string errorType, string xrayCause)
        {
            Message("invocation/" + requestId + "/error", ErrorHeaders(errorType, xrayCause), body, body.Length);
        }

        /// <summary>Ends init as failed; returns when that is known.</summary>
        public void FailInit(byte[] body, string errorType)
        {
            Message("init/error", ErrorHeaders(errorType, null), body, body.Length);
            Flush();
        }

        string Flush()
        {
            Send();
            return Refused(Read(null));
        }

        string Refused(byte[] body)
        {
            return status == 413
                ? "Payload Too Large\n\nStatus: 413\nResponse: \n" + Encoding.UTF8.GetString(body, 0, Math.Min(body.Length, 512))
                : null;
        }

        static string ErrorHeaders(string errorType, string xrayCause)
        {
            string headers = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
            if (xrayCause != null && Encoding.UTF8.GetByteCount(xrayCause) <= MaxHeaderBytes)
            {
                headers += "Lambda-Runtime-Function-XRay-Error-Cause: " + xrayCause + "\r\n";
            }
            return headers;
        }

        void Message(string path, string headers, byte[] body, int length)
        {
            byte[] head = Encoding.UTF8.GetBytes("POST " + Prefix + path + tail + headers + "Content-Length: " + length + "\r\n\r\n");
            unsent.Write(head, 0, head.Length);
            unsent.Write(body, 0, length);
        }

        void Send()
        {
            if (!connection.Send(unsent.GetBuffer(), (int)unsent.Length))
            {
                throw new Disconnected();
            }
            if (unsent.Capacity > MaxKeptBytes)
            {
                unsent = new MemoryStream();
            }
            unsent.SetLength(0);
        }

        static readonly byte[] Nothing = new byte[0];

        /// <summary>Reads one answer: its body, the status, and headers if they are wanted.</summary>
        byte[] Read(Invocation headers)
        {
            int length;
            bool chunked;
            do // an interim answer (100) has no body and is followed by the real one
            {
                string first = Line();
                if (first.Length < 12 || !first.StartsWith("HTTP/1.", StringComparison.Ordinal))
                {
                    throw new IOException("the Runtime API doesn't speak HTTP");
                }
                status = int.Parse(first.Substring(9, 3));
                length = 0;
                chunked = false;
                for (string line = Line(); line.Length > 0; line = Line())
                {
                    int colon = line.IndexOf(':');
                    if (colon < 0)
                    {
                        continue;
                    }
                    string name = line.Substring(0, colon).ToLowerInvariant();
                    string value = line.Substring(colon + 1).Trim();
                    if (name == "content-length")
                    {
                        length = int.Parse(value);
                    }
                    else if (name == "transfer-encoding")
                    {
                        chunked = value == "chunked";
                    }
                    else if (headers != null)
                    {
                        headers.Header(name, value);
                    }
                }
            } while (status < 200);
            if (!chunked)
            {
                return length == 0 ? Nothing : Take(length);
            }
            var all = new MemoryStream();
            while (true)
            {
                int size = Convert.ToInt32(Line().Trim(), 16);
                all.Write(Take(size), 0, size);
                Line();
                if (size == 0)
                {
                    return all.ToArray();
                }
            }
        }

        void Fill()
        {
            start = 0;
            end = connection.Receive(buffer);
            if (end == 0)
            {
                throw new Disconnected();
            }
        }

        string Line()
        {
            MemoryStream pieces = null; // only when it comes in several
            while (true)
            {
                if (start == end)
                {
                    Fill();
                }
                int at = Array.IndexOf(buffer, (byte)'\n', start, end - start);
                if (at >= 0 && pieces == null)
                {
                    string text = Text(buffer, start, at - start);
                    start = at + 1;
                    return text;
                }
                pieces = pieces ?? new MemoryStream();
                int stop = at >= 0 ? at : end;
                pieces.Write(buffer, start, stop - start);
                start = at >= 0 ? at + 1 : end;
                if (at >= 0)
                {
                    return Text(pieces.GetBuffer(), 0, (int)pieces.Length);
                }
            }
        }

        /// <summary>A line without its carriage return.</summary>
        static string Text(byte[] from, int at, int length)
        {
            if (length > 0 && from[at + length - 1] == '\r')
            {
                length--;
            }
            return Encoding.UTF8.GetString(from, at, length);
        }

        byte[] Take(int length)
        {
            var body = new byte[length];
            for (int have = 0; have < length;)
            {
                if (start == end)
                {
                    Fill();
                }
                int n = Math.Min(length - have, end - start);
                Buffer.BlockCopy(buffer, start, body, have, n);
                have += n;
                start += n;
            }
            return body;
        }
    }
}
