using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text;
using System.Text.Json;

namespace Wick.Runtime
{
    /// <summary>
    /// A process that was started before there was a function for it. It asks which function it
    /// serves on a socket it has inherited, readies itself meanwhile, and becomes that function's
    /// runtime; or, for a package whose settings .NET reads only as it starts, starts again as that.
    /// </summary>
    static class Stem
    {
        const int Descriptor = 3;

        /// <summary>Milliseconds in which one that is started for an event has its function.</summary>
        const int Shortly = 5;

        /// <summary>
        /// Waits for a function and returns the Runtime API's client. ordinary is the command
        /// line of a start that isn't a stem's.
        /// </summary>
        public static Api Await(string[] ordinary)
        {
            var api = new Api(Connection.Inherited(Descriptor), "wick");
            if (!api.Ask(Shortly))
            {
                // It isn't wanted yet.
                Become(Variables());
                Rehearsal.Run(AppContext.BaseDirectory);
            }
            bool whole;
            using (JsonDocument assignment = JsonDocument.Parse(api.Assignment()))
            {
                whole = Become(assignment.RootElement.GetProperty("env"));
            }
            string root = Environment.GetEnvironmentVariable("LAMBDA_TASK_ROOT");
            Environment.CurrentDirectory = root;
            var package = new Package(root, Environment.GetEnvironmentVariable("_HANDLER") ?? "");
            if (!whole || !package.Fits(Array.IndexOf(ordinary, "--roll-forward") >= 0))
            {
                Native.Replace(ordinary, Descriptor);
            }
            package.Use();
            return api;
        }

        /// <summary>
        /// Replaces the variables, those that native code sees too. False says that .NET lacks
        /// some, as it has no way to set an empty one.
        /// </summary>
        static bool Become(JsonElement variables)
        {
            foreach (DictionaryEntry v in Environment.GetEnvironmentVariables()) // a copy
            {
                Environment.SetEnvironmentVariable((string)v.Key, null);
            }
            Native.ClearVariables();
            bool whole = true;
            foreach (JsonProperty v in variables.EnumerateObject())
            {
                string value = v.Value.GetString();
                Native.SetVariable(v.Name, value);
                Environment.SetEnvironmentVariable(v.Name, value);
                whole &= value.Length > 0;
            }
            return whole;
        }

        /// <summary>What the variables are, as an assignment has them.</summary>
        static JsonElement Variables()
        {
            using (var to = new MemoryStream())
            {
                using (var w = new Utf8JsonWriter(to))
                {
                    w.WriteStartObject();
                    foreach (DictionaryEntry v in Environment.GetEnvironmentVariables())
                    {
                        w.WriteString((string)v.Key, (string)v.Value);
                    }
                    w.WriteEndObject();
                }
                return JsonDocument.Parse(to.ToArray()).RootElement;
            }
        }
    }

    /// <summary>A function's package, in a process that was started without it.</summary>
    sealed class Package
    {
        const string Framework = "Microsoft.NETCore.App";

        readonly string root;
        readonly string name; // of the assembly, with its path and without .dll
        readonly List<KeyValuePair<string, string>> properties = new List<KeyValuePair<string, string>>();
        AssemblyDependencyResolver resolver;
        bool resolved;

        public Package(string root, string handler)
        {
            this.root = root;
            int colon = handler.IndexOf(':');
            name = Path.Combine(root, colon < 0 ? handler : handler.Substring(0, colon).Trim());
        }

        /// <summary>
        /// Says whether this process is as .NET would be if the package had started it; what
        /// can't be told isn't.
        /// </summary>
        public bool Fits(bool rollForward)
        {
            if (!File.Exists(name + ".deps.json") || !File.Exists(name + ".runtimeconfig.json"))
            {
                return false;
            }
            try
            {
                using (JsonDocument config = JsonDocument.Parse(File.ReadAllText(name + ".runtimeconfig.json")))
                {
                    foreach (JsonProperty option in config.RootElement.GetProperty("runtimeOptions").EnumerateObject())
                    {
                        if (!Fits(option, rollForward))
                        {
                            return false;
                        }
                    }
                }
            }
            catch (Exception) // of a file that isn't as .NET writes it: .NET says what it thinks of it
            {
                return false;
            }
            // One that .NET has, too, may have to take that one's place.
            string framework = Path.GetDirectoryName(typeof(object).Assembly.Location);
            foreach (string file in Directory.GetFiles(root, "*.dll"))
            {
                if (File.Exists(Path.Combine(framework, Path.GetFileName(file))))
                {
                    return false;
                }
            }
            return true;
        }

        bool Fits(JsonProperty option, bool rollForward)
        {
            switch (option.Name)
            {
                case "tfm":
                    return true;
                case "framework":
                    int major = int.Parse(option.Value.GetProperty("version").GetString().Split('.')[0]);
                    int ours = Environment.Version.Major;
                    return option.Value.GetProperty("name").GetString() == Framework && (major == ours || rollForward && major < ours);
                case "configProperties":
                    foreach (JsonProperty p in option.Value.EnumerateObject())
                    {
                        if (p.Name.StartsWith("System.GC.", StringComparison.Ordinal) || p.Name.StartsWith("System.Runtime.Tiered", StringComparison.Ordinal)
                            || p.Name.StartsWith("System.Globalization.", StringComparison.Ordinal))
                        {
                            return false;
                        }
                        string value = p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString() : p.Value.GetRawText();
                        properties.Add(new KeyValuePair<string, string>(p.Name, value));
                    }
                    return true;
            }
            return false;
        }

        /// <summary>Has .NET find the package's assemblies and settings.</summary>
        public void Use()
        {
            foreach (KeyValuePair<string, string> p in properties)
            {
                AppDomain.CurrentDomain.SetData(p.Key, p.Value);
            }
            AppDomain.CurrentDomain.SetData("APP_CONTEXT_BASE_DIRECTORY", root.TrimEnd('/') + "/");
            AppDomain.CurrentDomain.SetData("APP_CONTEXT_DEPS_FILES", name + ".deps.json");
            AssemblyLoadContext.Default.Resolving += Resolve;
            AssemblyLoadContext.Default.ResolvingUnmanagedDll += ResolveNative;
        }

        /// <summary>Undoes that, but for the settings.</summary>
        public void Forget()
        {
            AssemblyLoadContext.Default.Resolving -= Resolve;
            AssemblyLoadContext.Default.ResolvingUnmanagedDll -= ResolveNative;
        }

        Assembly Resolve(AssemblyLoadContext context, AssemblyName wanted)
        {
            string path = Path.Combine(root, wanted.Name + ".dll");
            if (!string.IsNullOrEmpty(wanted.CultureName) || !File.Exists(path) || Directory.Exists(Path.Combine(root, "runtimes")))
            {
                path = Resolver() == null ? null : Resolver().ResolveAssemblyToPath(wanted);
            }
            try
            {
                return path == null ? null : context.LoadFromAssemblyPath(path);
            }
            catch (BadImageFormatException)
            {
                return null; // as where .NET looks itself
            }
        }

        IntPtr ResolveNative(Assembly by, string library)
        {
            string path = Resolver() == null ? null : Resolver().ResolveUnmanagedDllToPath(library);
            return path == null ? IntPtr.Zero : NativeLibrary.Load(path);
        }

        /// <summary>What reads the .deps.json; null where that can't be read.</summary>
        AssemblyDependencyResolver Resolver()
        {
            if (!resolved)
            {
                resolved = true;
                try
                {
                    resolver = new AssemblyDependencyResolver(name + ".dll");
                }
                catch (InvalidOperationException)
                {
                    // Only what lies in the folder is found.
                }
            }
            return resolver;
        }
    }

    /// <summary>What a process is made of, by the C library's own calls.</summary>
    static unsafe class Native
    {
        const int SetDescriptorFlags = 2, CloseOnExec = 1; // Linux's

        [DllImport("libc")]
        static extern int clearenv();

        [DllImport("libc")]
        static extern int setenv(byte* name, byte* value, int overwrite);

        [DllImport("libc")]
        static extern int fcntl(int descriptor, int command, int argument);

        [DllImport("libc")]
        static extern int execv(byte* path, byte** arguments);

        public static void ClearVariables()
        {
            clearenv();
        }

        public static void SetVariable(string name, string value)
        {
            fixed (byte* n = Bytes(name), v = Bytes(value))
            {
                setenv(n, v, 1);
            }
        }

        /// <summary>
        /// Has this process run another program, with the variables as they are set, without a
        /// descriptor. Returns only where that can't be.
        /// </summary>
        public static void Replace(string[] command, int descriptor)
        {
            fcntl(descriptor, SetDescriptorFlags, CloseOnExec);
            byte** arguments = stackalloc byte*[command.Length + 1];
            for (int i = 0; i < command.Length; i++)
            {
                arguments[i] = (byte*)Marshal.StringToHGlobalAnsi(command[i]);
            }
            arguments[command.Length] = null;
            execv(arguments[0], arguments);
            throw new InvalidOperationException(command[0] + " can't be run");
        }

        static byte[] Bytes(string text)
        {
            return Encoding.UTF8.GetBytes(text + "\0");
        }
    }
}
