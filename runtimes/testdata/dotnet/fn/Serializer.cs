using System.IO;
using System.Text.Json;
using Amazon.Lambda.Core;

[assembly: LambdaSerializer(typeof(Fn.Serializer))]

namespace Fn
{
    /// <summary>What Amazon.Lambda.Serialization.SystemTextJson is to a real function.</summary>
    public class Serializer : ILambdaSerializer
    {
        static readonly JsonSerializerOptions options = new JsonSerializerOptions { PropertyNameCaseInsensitive = true };

        public T Deserialize<T>(Stream stream)
        {
            using (var reader = new StreamReader(stream))
            {
                return (T)JsonSerializer.Deserialize(reader.ReadToEnd(), typeof(T), options);
            }
        }

        public void Serialize<T>(T value, Stream stream)
        {
            var writer = new StreamWriter(stream);
            writer.Write(JsonSerializer.Serialize(value, typeof(T), options));
            writer.Flush();
        }
    }

    public class Unmakeable : ILambdaSerializer
    {
        public Unmakeable(string with) { }
        public T Deserialize<T>(Stream stream) { return default(T); }
        public void Serialize<T>(T value, Stream stream) { }
    }

    public class NoSerializer
    {
    }
}
