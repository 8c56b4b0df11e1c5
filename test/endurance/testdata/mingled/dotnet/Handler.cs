using System;
using System.IO;
using System.Text.Json;
using System.Threading;

namespace Mingled
{
    public class Handler
    {
        public Stream Handle(Stream input)
        {
            JsonElement e = JsonDocument.Parse(input).RootElement;
            string id = e.GetProperty("id").GetString();
            Console.WriteLine("doing " + id);
            Thread.Sleep(new Random().Next(5));
            switch (e.GetProperty("what").GetString())
            {
                case "fail": throw new InvalidOperationException(id);
                case "exit": Environment.Exit(3); break;
                case "sleep": Thread.Sleep(60000); break;
            }
            return new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(new { id = id }));
        }
    }
}
