using System;
using System.Collections.Generic;
using Amazon.Lambda.Core;

namespace Dotnet
{
    public class Function
    {
        public string FunctionHandler(Dictionary<string, string> input, ILambdaContext context)
        {
            throw new Exception("Error: " + input["error_msg"]);
        }
    }
}
