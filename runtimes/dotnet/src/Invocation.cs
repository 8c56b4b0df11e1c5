namespace Wick.Runtime
{
    /// <summary>One event, with what the Runtime API's headers say of it.</summary>
    sealed class Invocation
    {
        public string RequestId = "";
        public string TraceId;
        public string FunctionArn;
        public string ClientContext;
        public string CognitoIdentity;
        public string TenantId;
        public long DeadlineMs;
        public byte[] Body;

        /// <summary>Keeps a header's value; the name is in lower case.</summary>
        public void Header(string name, string value)
        {
            switch (name)
            {
                case "lambda-runtime-aws-request-id": RequestId = value; break;
                case "lambda-runtime-trace-id": TraceId = value; break;
                case "lambda-runtime-invoked-function-arn": FunctionArn = value; break;
                case "lambda-runtime-client-context": ClientContext = value; break;
                case "lambda-runtime-cognito-identity": CognitoIdentity = value; break;
                case "lambda-runtime-aws-tenant-id": TenantId = value; break;
                case "lambda-runtime-deadline-ms": long.TryParse(value, out DeadlineMs); break;
            }
        }
    }
}
