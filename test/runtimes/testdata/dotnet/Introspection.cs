using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using Amazon.Lambda.Core;

namespace Dotnet
{
    public class Function
    {
        public Dictionary<string, object> FunctionHandler(Stream input, ILambdaContext context)
        {
            var environment = new Dictionary<string, string>();
            foreach (DictionaryEntry v in Environment.GetEnvironmentVariables())
            {
                environment[(string)v.Key] = (string)v.Value;
            }
            var ctx = new Dictionary<string, object>
            {
                { "aws_request_id", context.AwsRequestId }, { "function_name", context.FunctionName },
                { "function_version", context.FunctionVersion }, { "invoked_function_arn", context.InvokedFunctionArn },
                { "log_group_name", context.LogGroupName }, { "log_stream_name", context.LogStreamName },
                { "memory_limit_in_mb", context.MemoryLimitInMB.ToString() },
                { "remaining_time_in_millis", (int)context.RemainingTime.TotalMilliseconds },
            };
            return new Dictionary<string, object> { { "environment", environment }, { "packages", new object[0] }, { "ctx", ctx } };
        }
    }
}
