using System;
using System.IO;
using System.Text.Json;

namespace Hello
{
    /// <summary>Greets. A handler of streams needs no package; see docs/runtimes.md for others.</summary>
    public class Function
    {
        public Stream FunctionHandler(Stream input)
        {
            string name = "world";
            using (JsonDocument e = JsonDocument.Parse(input))
            {
                JsonElement given;
                if (e.RootElement.ValueKind == JsonValueKind.Object && e.RootElement.TryGetProperty("name", out given))
                {
                    name = given.GetString();
                }
            }
            Console.WriteLine("greeting " + name);
            return new MemoryStream(JsonSerializer.SerializeToUtf8Bytes("Hello, " + name + ", from .NET " + Environment.Version + "!"));
        }
    }
}
