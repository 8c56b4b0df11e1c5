using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Runtime.Loader;

namespace Fn
{
    /// <summary>What a function can see of how it was started.</summary>
    public class Surroundings
    {
        public SortedDictionary<string, string> Handle(Stream input)
        {
            bool on;
            AppContext.TryGetSwitch("Fn.Switch", out on);
            var all = new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                { "base directory", AppContext.BaseDirectory }, { "directory", Environment.CurrentDirectory },
                { "assembly", typeof(Surroundings).Assembly.Location }, { "context", AssemblyLoadContext.GetLoadContext(typeof(Surroundings).Assembly).ToString().Split('#')[0] },
                { "culture", CultureInfo.CurrentCulture.Name }, { "switch", on.ToString() }, { "text", (string)AppContext.GetData("Fn.Text") ?? "" },
                { "zone", TimeZoneInfo.Local.Id }, { "memory", (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20).ToString() },
                { "version", Environment.Version.ToString() }, { "entry", Assembly.GetEntryAssembly().GetName().Name },
                { "deps", (string)AppContext.GetData("APP_CONTEXT_DEPS_FILES") == null ? "none" : Path.GetFileName(((string)AppContext.GetData("APP_CONTEXT_DEPS_FILES")).Split(';')[0]) },
                { "process", Array.IndexOf(File.ReadAllText("/proc/self/cmdline").Split('\0'), "stem") >= 0 ? "stem" : "ordinary" },
            };
            foreach (DictionaryEntry v in Environment.GetEnvironmentVariables())
            {
                all["$" + v.Key] = (string)v.Value;
            }
            return all;
        }
    }
}
