using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Amazon.Lambda.Core;

namespace Fn
{
    public class Order
    {
        public string Id { get; set; }
        public int Count { get; set; }
        public double Price { get; set; }
        public List<string> Tags { get; set; }
    }

    public struct Point
    {
        public int X { get; set; }
        public int Y { get; set; }
    }

    public class Base
    {
        public string Inherited(string text) { return "inherited " + text; }
    }

    /// <summary>Handlers of every shape.</summary>
    public class Methods : Base
    {
        int calls;

        public Stream Echo(Stream input) { return input; }
        public static Stream StaticEcho(Stream input) { return input; }
        public Stream StreamAndContext(Stream input, ILambdaContext context) { return input; }
        public void Swallow(Stream input) { }
        public string Upper(string text) { return text.ToUpperInvariant(); }
        public Order Orders(Order order, ILambdaContext context) { order.Count++; order.Tags.Add(context.FunctionName); return order; }
        public Point Points(Point p) { return new Point { X = p.Y, Y = p.X }; }
        public int Count() { return ++calls; }
        public string OnlyContext(ILambdaContext context) { return context.AwsRequestId; }
        public void Nothing() { }
        public void NothingOf(Order order, ILambdaContext context) { }
        public async Task Later() { await Task.Delay(5); }
        public async Task LaterOf(Order order) { await Task.Delay(5); }
        public async Task<Order> OrderLater(Order order) { await Task.Delay(5); order.Id += "!"; return order; }
        public async Task<Stream> StreamLater(Stream input) { await Task.Yield(); return input; }
        public Task<int> Derived() { return Task.FromResult(7); }
        public MemoryStream Memory() { return new MemoryStream(Encoding.UTF8.GetBytes("\"memory\"")); }
        public Dictionary<string, object> Any(Dictionary<string, object> all) { return all; }
        string Hidden(string text) { return "hidden " + text; }
        static string StaticOnly(string text) { return "static " + text; }

        public string Overloaded(string text) { return "string"; }
        public string Overloaded(int number) { return "int"; }

        public T Generic<T>(T value) { return value; }
        public async void AsyncVoid(string text) { await Task.Yield(); }
        public string Params(params string[] all) { return ""; }
        public string Three(string a, string b, string c) { return ""; }
        public string Two(string a, string b) { return ""; }

        [LambdaSerializer(typeof(Unmakeable))]
        public string WithUnmakeable(string text) { return text; }

        [LambdaSerializer(typeof(NoSerializer))]
        public string WithNoSerializer(string text) { return text; }

        [LambdaSerializer(null)]
        public string WithNull(string text) { return text; }

        public Stream Environ(Stream input)
        {
            var all = new StringBuilder("{");
            foreach (System.Collections.DictionaryEntry v in Environment.GetEnvironmentVariables())
            {
                all.Append(all.Length > 1 ? "," : "").Append('"').Append(v.Key).Append("\":\"").Append(v.Value.ToString().Replace("\\", "\\\\").Replace("\"", "\\\"")).Append('"');
            }
            return new MemoryStream(Encoding.UTF8.GetBytes(all.Append('}').ToString()));
        }

        public Stream Large(Stream input) { return new MemoryStream(new byte[7 << 20]); }

        public string Limits(ILambdaContext context)
        {
            return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1048576 + " " + context.MemoryLimitInMB;
        }

        public string Version() { return Environment.Version.ToString(); }
    }

    public abstract class Abstract
    {
        public abstract string Missing(string text);
        public string Instance(string text) { return text; }
        public static string Static(string text) { return "static of abstract " + text; }
    }

    public class OfType<T>
    {
        public string Handle(string text) { return text; }
    }

    public struct Value
    {
        public string Handle(string text) { return "value " + text; }
    }

    public interface INothing
    {
        string Handle(string text);
    }

    public class Contexts
    {
        public Dictionary<string, object> Handle(Stream input, ILambdaContext c)
        {
            return new Dictionary<string, object>
            {
                { "id", c.AwsRequestId }, { "name", c.FunctionName }, { "version", c.FunctionVersion }, { "arn", c.InvokedFunctionArn },
                { "group", c.LogGroupName }, { "stream", c.LogStreamName }, { "memory", c.MemoryLimitInMB },
                { "remaining", c.RemainingTime.TotalSeconds > 50 && c.RemainingTime.TotalSeconds <= 60 },
                { "tenant", c.TenantId }, { "trace", c.TraceId }, { "variable", Environment.GetEnvironmentVariable("_X_AMZN_TRACE_ID") },
                { "identity", c.Identity.IdentityId + "/" + c.Identity.IdentityPoolId }, { "serializer", c.Serializer.GetType().Name },
                { "client", c.ClientContext.Client == null ? null : c.ClientContext.Client.AppTitle + "/" + c.ClientContext.Client.InstallationId },
                { "custom", c.ClientContext.Custom }, { "env", c.ClientContext.Environment },
            };
        }
    }
}
