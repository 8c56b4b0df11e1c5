using System.Text.Json;
using Amazon.Lambda.Core;

namespace Dotnet
{
    public class Function
    {
        public JsonElement FunctionHandler(JsonElement input, ILambdaContext context)
        {
            return input;
        }
    }
}
