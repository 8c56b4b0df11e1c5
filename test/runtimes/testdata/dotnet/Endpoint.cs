using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Security.Cryptography;
using System.Text;

namespace Dotnet
{
    /// <summary>Lists SQS queues at AWS_ENDPOINT_URL with a request it signs itself.</summary>
    public class Function
    {
        public string FunctionHandler(Stream input)
        {
            string now = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'");
            var url = new Uri(Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL") + "/");
            var headers = new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                { "content-type", "application/x-amz-json-1.0" }, { "host", url.Authority }, { "x-amz-date", now },
                { "x-amz-security-token", Environment.GetEnvironmentVariable("AWS_SESSION_TOKEN") }, { "x-amz-target", "AmazonSQS.ListQueues" },
            };
            string names = string.Join(";", headers.Keys);
            string request = "POST\n/\n\n";
            foreach (var h in headers)
            {
                request += h.Key + ":" + h.Value + "\n";
            }
            request += "\n" + names + "\n" + Sha256("{}");
            string scope = now.Substring(0, 8) + "/" + Environment.GetEnvironmentVariable("AWS_REGION") + "/sqs/aws4_request";
            byte[] key = Encoding.UTF8.GetBytes("AWS4" + Environment.GetEnvironmentVariable("AWS_SECRET_ACCESS_KEY"));
            foreach (string part in scope.Split('/'))
            {
                key = Sign(key, part);
            }
            string signature = Hex(Sign(key, "AWS4-HMAC-SHA256\n" + now + "\n" + scope + "\n" + Sha256(request)));
            using (var client = new HttpClient())
            using (var message = new HttpRequestMessage(HttpMethod.Post, url))
            {
                message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes("{}"));
                foreach (var h in headers)
                {
                    if (h.Key == "content-type")
                    {
                        message.Content.Headers.TryAddWithoutValidation(h.Key, h.Value);
                    }
                    else
                    {
                        message.Headers.TryAddWithoutValidation(h.Key, h.Value);
                    }
                }
                message.Headers.TryAddWithoutValidation("authorization", "AWS4-HMAC-SHA256 Credential=" + Environment.GetEnvironmentVariable("AWS_ACCESS_KEY_ID") + "/" + scope
                    + ", SignedHeaders=" + names + ", Signature=" + signature);
                string answer = client.SendAsync(message).Result.Content.ReadAsStringAsync().Result;
                return answer == "{}" ? "ok" : "no: " + answer;
            }
        }

        static byte[] Sign(byte[] key, string text)
        {
            using (var mac = new HMACSHA256(key))
            {
                return mac.ComputeHash(Encoding.UTF8.GetBytes(text));
            }
        }

        static string Sha256(string text)
        {
            using (var digest = SHA256.Create())
            {
                return Hex(digest.ComputeHash(Encoding.UTF8.GetBytes(text)));
            }
        }

        static string Hex(byte[] bytes)
        {
            return BitConverter.ToString(bytes).Replace("-", "").ToLowerInvariant();
        }
    }
}
