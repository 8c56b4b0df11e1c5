using System;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Wick.Runtime
{
    /// <summary>A connection to the Runtime API, for one thread.</summary>
    abstract class Connection
    {
        /// <summary>Connects to HOST:PORT.</summary>
        public static Connection To(string address)
        {
            int colon = address.LastIndexOf(':');
            string host = address.Substring(0, colon);
            int port = int.Parse(address.Substring(colon + 1));
            byte[] ip = Literal(host);
            return ip == null ? (Connection)new ByName(host, port) : new ByNumber(ip, port);
        }

        /// <summary>A connected socket that this process was started with.</summary>
        public static Connection Inherited(int descriptor)
        {
            return new ByNumber(descriptor);
        }

        /// <summary>An IPv4 address's bytes, null for what isn't one.</summary>
        static byte[] Literal(string host)
        {
            string[] parts = host.Split('.');
            var ip = new byte[4];
            for (int i = 0; i < 4; i++)
            {
                if (parts.Length != 4 || !byte.TryParse(parts[i], out ip[i]))
                {
                    return null;
                }
            }
            return ip;
        }

        /// <summary>Reads into a buffer; 0 where the connection has ended.</summary>
        public abstract int Receive(byte[] buffer);

        /// <summary>Waits for something to receive; false when nothing has come in that time.</summary>
        public abstract bool Ready(int milliseconds);

        /// <summary>Writes all of it; false where the connection has ended.</summary>
        public abstract bool Send(byte[] bytes, int length);

        /// <summary>
        /// By the C library's own calls: .NET's sockets start a thread that polls, and load a
        /// tenth of what is loaded until the first event.
        /// </summary>
        sealed unsafe class ByNumber : Connection
        {
            const int Internet = 2, Stream = 1, CloseOnExec = 0x80000, Tcp = 6, NoDelay = 1, NoSignal = 0x4000; // Linux's
            const int Interrupted = 4;

            [DllImport("libc", SetLastError = true)]
            static extern int socket(int family, int type, int protocol);

            [DllImport("libc", SetLastError = true)]
            static extern int connect(int socket, byte* address, int length);

            [DllImport("libc", SetLastError = true)]
            static extern int setsockopt(int socket, int level, int name, int* value, int length);

            [DllImport("libc", SetLastError = true)]
            static extern IntPtr recv(int socket, byte* buffer, IntPtr length, int flags);

            [DllImport("libc", SetLastError = true)]
            static extern IntPtr send(int socket, byte* buffer, IntPtr length, int flags);

            [DllImport("libc")]
            static extern int poll(long* descriptors, IntPtr count, int milliseconds);

            readonly int number;

            public ByNumber(int descriptor)
            {
                number = descriptor;
            }

            public ByNumber(byte[] ip, int port)
            {
                number = socket(Internet, Stream | CloseOnExec, 0);
                byte* address = stackalloc byte[16];
                *(short*)address = Internet;
                address[2] = (byte)(port >> 8);
                address[3] = (byte)port;
                for (int i = 0; i < 4; i++)
                {
                    address[4 + i] = ip[i];
                }
                int on = 1;
                setsockopt(number, Tcp, NoDelay, &on, sizeof(int));
                if (connect(number, address, 16) != 0)
                {
                    throw new Api.Disconnected();
                }
            }

            public override int Receive(byte[] buffer)
            {
                fixed (byte* at = buffer)
                {
                    long n;
                    do
                    {
                        n = (long)recv(number, at, (IntPtr)buffer.Length, 0);
                    } while (n < 0 && Marshal.GetLastWin32Error() == Interrupted);
                    return (int)Math.Max(n, 0);
                }
            }

            public override bool Ready(int milliseconds)
            {
                long wanted = (uint)number | 1L << 32; // what there is to read of it
                return poll(&wanted, (IntPtr)1, milliseconds) > 0;
            }

            public override bool Send(byte[] bytes, int length)
            {
                fixed (byte* at = bytes)
                {
                    for (int sent = 0; sent < length;)
                    {
                        long n = (long)send(number, at + sent, (IntPtr)(length - sent), NoSignal);
                        if (n < 0 && Marshal.GetLastWin32Error() != Interrupted)
                        {
                            return false;
                        }
                        sent += (int)Math.Max(n, 0);
                    }
                }
                return true;
            }
        }

        /// <summary>For names, and addresses of other kinds.</summary>
        sealed class ByName : Connection
        {
            readonly Socket socket;

            public ByName(string host, int port)
            {
                IPAddress ip = Dns.GetHostAddresses(host.Trim('[', ']'))[0];
                socket = new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                socket.Connect(new IPEndPoint(ip, port));
            }

            public override int Receive(byte[] buffer)
            {
                try
                {
                    return socket.Receive(buffer, 0, buffer.Length, SocketFlags.None);
                }
                catch (SocketException)
                {
                    return 0;
                }
            }

            public override bool Ready(int milliseconds)
            {
                return socket.Poll(milliseconds * 1000, SelectMode.SelectRead);
            }

            public override bool Send(byte[] bytes, int length)
            {
                try
                {
                    for (int sent = 0; sent < length;)
                    {
                        sent += socket.Send(bytes, sent, length - sent, SocketFlags.None);
                    }
                    return true;
                }
                catch (SocketException)
                {
                    return false;
                }
            }
        }
    }
}
