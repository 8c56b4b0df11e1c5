using System;
using System.Collections.Generic;
using System.Text.Json;
using Amazon.Lambda.Core;

namespace Wick.Runtime
{
    /// <summary>Apart from Context, so that a function without one needs no Amazon.Lambda.Core.</summary>
    static class Contexts
    {
        /// <summary>Returns a Func&lt;Invocation, ILambdaContext&gt;.</summary>
        public static Delegate Maker(Shape shape)
        {
            var logger = new Logger(shape.Log);
            var serializer = (ILambdaSerializer)shape.Serializer;
            return new Func<Invocation, ILambdaContext>(e => new Context(e, logger, serializer));
        }
    }

    /// <summary>
    /// What a handler learns of its invocation. Members are virtual and public by the names that
    /// Amazon.Lambda.Core has for them, also those that its later versions have added: the
    /// version that the function brings finds what it declares.
    /// </summary>
    class Context : ILambdaContext
    {
        static readonly string functionName = Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_NAME");
        static readonly string functionVersion = Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_VERSION");
        static readonly string logGroupName = Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_GROUP_NAME");
        static readonly string logStreamName = Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_STREAM_NAME");
        static readonly int memoryLimit = Number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        static readonly DateTime epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        readonly Invocation invocation;
        readonly Logger logger;
        readonly ILambdaSerializer serializer;
        Client client;
        Identity identity;

        public Context(Invocation invocation, Logger logger, ILambdaSerializer serializer)
        {
            this.invocation = invocation;
            this.logger = logger;
            this.serializer = serializer;
        }

        static int Number(string variable)
        {
            int n;
            int.TryParse(Environment.GetEnvironmentVariable(variable), out n);
            return n;
        }

        public virtual string AwsRequestId { get { return invocation.RequestId; } }
        public virtual string FunctionName { get { return functionName; } }
        public virtual string FunctionVersion { get { return functionVersion; } }
        public virtual string InvokedFunctionArn { get { return invocation.FunctionArn; } }
        public virtual string LogGroupName { get { return logGroupName; } }
        public virtual string LogStreamName { get { return logStreamName; } }
        public virtual int MemoryLimitInMB { get { return memoryLimit; } }
        public virtual string TenantId { get { return invocation.TenantId; } }
        public virtual string TraceId { get { return invocation.TraceId; } }
        public virtual ILambdaLogger Logger { get { return logger; } }
        public virtual ILambdaSerializer Serializer { get { return serializer; } }

        public virtual TimeSpan RemainingTime
        {
            get { return TimeSpan.FromMilliseconds(invocation.DeadlineMs - (DateTime.UtcNow - epoch).TotalMilliseconds); }
        }

        public virtual IClientContext ClientContext
        {
            get { return client ?? (client = new Client(invocation.ClientContext)); }
        }

        ICognitoIdentity ILambdaContext.Identity
        {
            get { return identity ?? (identity = new Identity(invocation.CognitoIdentity)); }
        }
    }

    /// <summary>The context's logger.</summary>
    class Logger : ILambdaLogger
    {
        readonly Log log;

        public Logger(Log log)
        {
            this.log = log;
        }

        public virtual void Log(string message)
        {
            Console.Write(message);
        }

        public virtual void LogLine(string message)
        {
            log.Write("Information", null, message, null);
        }

        public virtual void Log(string level, string message)
        {
            log.Write(level, null, message, null);
        }

        public virtual void Log(string level, string message, params object[] args)
        {
            log.Write(level, null, message, args);
        }

        public virtual void Log(string level, Exception exception, string message, params object[] args)
        {
            log.Write(level, exception, message, args);
        }
    }

    /// <summary>Who has called, for events that AWS's mobile SDK sends.</summary>
    sealed class Identity : ICognitoIdentity
    {
        public string IdentityId { get; private set; }
        public string IdentityPoolId { get; private set; }

        public Identity(string json)
        {
            if (!string.IsNullOrWhiteSpace(json))
            {
                JsonElement all = JsonDocument.Parse(json).RootElement;
                IdentityId = Text.Member(all, "cognitoIdentityId");
                IdentityPoolId = Text.Member(all, "cognitoIdentityPoolId");
            }
        }
    }

    /// <summary>The client context that an invoker sends along; members it doesn't name are null.</summary>
    sealed class Client : IClientContext, IClientApplication
    {
        public IDictionary<string, string> Environment { get; private set; }
        public IDictionary<string, string> Custom { get; private set; }
        IClientApplication IClientContext.Client { get { return application ? this : null; } }
        public string AppPackageName { get; private set; }
        public string AppTitle { get; private set; }
        public string AppVersionCode { get; private set; }
        public string AppVersionName { get; private set; }
        public string InstallationId { get; private set; }
        readonly bool application;

        public Client(string json)
        {
            if (string.IsNullOrWhiteSpace(json))
            {
                return;
            }
            JsonElement all = JsonDocument.Parse(json).RootElement;
            JsonElement app;
            application = all.TryGetProperty("client", out app);
            if (application)
            {
                AppPackageName = Text.Member(app, "app_package_name");
                AppTitle = Text.Member(app, "app_title");
                AppVersionCode = Text.Member(app, "app_version_code");
                AppVersionName = Text.Member(app, "app_version_name");
                InstallationId = Text.Member(app, "installation_id");
            }
            Custom = Text.Members(all, "custom");
            Environment = Text.Members(all, "env");
        }
    }

    /// <summary>Texts in a JSON object.</summary>
    static class Text
    {
        public static string Member(JsonElement of, string name)
        {
            JsonElement value;
            return of.TryGetProperty(name, out value) ? value.GetString() : null;
        }

        public static IDictionary<string, string> Members(JsonElement of, string name)
        {
            JsonElement members;
            if (!of.TryGetProperty(name, out members))
            {
                return null;
            }
            var all = new Dictionary<string, string>();
            foreach (JsonProperty p in members.EnumerateObject())
            {
                all[p.Name] = p.Value.ToString();
            }
            return all;
        }
    }
}
