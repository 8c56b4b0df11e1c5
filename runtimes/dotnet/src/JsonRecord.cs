using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json;

namespace Wick.Runtime
{
    /// <summary>
    /// A log record as a JSON object. Apart from Log, so that System.Text.Json is loaded only
    /// where it is wanted.
    ///
    /// Source: AWS Lambda developer guide, C# logging in JSON.
    /// </summary>
    static class JsonRecord
    {
        static readonly JsonSerializerOptions withoutNulls = new JsonSerializerOptions { IgnoreNullValues = true };

        public static string Write(string time, string level, Invocation invocation, string message, Template template, object[] args, Exception exception)
        {
            using (var to = new MemoryStream())
            {
                using (var w = new Utf8JsonWriter(to, new JsonWriterOptions { SkipValidation = true }))
                {
                    w.WriteStartObject();
                    w.WriteString("timestamp", time);
                    w.WriteString("level", level);
                    if (invocation != null)
                    {
                        Member(w, "requestId", invocation.RequestId);
                        Member(w, "tenantId", invocation.TenantId);
                        Member(w, "traceId", invocation.TraceId);
                    }
                    w.WriteString("message", message);
                    if (template != null)
                    {
                        Properties(w, template, args);
                    }
                    if (exception != null)
                    {
                        w.WriteString("errorType", exception.GetType().FullName);
                        w.WriteString("errorMessage", exception.Message);
                        w.WriteStartArray("stackTrace");
                        foreach (string line in Fault.Describe(exception).Split('\n'))
                        {
                            w.WriteStringValue(line.Trim());
                        }
                        w.WriteEndArray();
                    }
                    w.WriteEndObject();
                }
                return Encoding.UTF8.GetString(to.GetBuffer(), 0, (int)to.Length);
            }
        }

        static void Member(Utf8JsonWriter w, string name, string value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                w.WriteString(name, value);
            }
        }

        static void Properties(Utf8JsonWriter w, Template template, object[] args)
        {
            for (int i = 0; i < template.Properties.Count; i++)
            {
                bool found;
                object value = template.Argument(i, args, out found);
                if (value == null)
                {
                    continue;
                }
                Template.Property p = template.Properties[i];
                w.WritePropertyName(p.Name);
                var map = value as IDictionary;
                if (value is IList && !(value is IList<byte>))
                {
                    w.WriteStartArray();
                    foreach (object item in (IList)value)
                    {
                        Value(w, item, p);
                    }
                    w.WriteEndArray();
                }
                else if (map != null)
                {
                    w.WriteStartObject();
                    foreach (DictionaryEntry entry in map)
                    {
                        w.WritePropertyName(entry.Key.ToString());
                        Value(w, entry.Value, p);
                    }
                    w.WriteEndObject();
                }
                else
                {
                    Value(w, value, p);
                }
            }
        }

        static void Value(Utf8JsonWriter w, object value, Template.Property p)
        {
            if (value == null)
            {
                w.WriteNullValue();
            }
            else if (p.AsJson)
            {
                Serialized(w, value);
            }
            else if (p.Format != null)
            {
                w.WriteStringValue(Template.Formatted(value, p.Format));
            }
            else if (value is bool)
            {
                w.WriteBooleanValue((bool)value);
            }
            else if (!Number(w, value))
            {
                w.WriteStringValue(Template.Bytes(value) ?? Template.Time(value) ?? Convert.ToString(value, CultureInfo.InvariantCulture));
            }
        }

        static bool Number(Utf8JsonWriter w, object value)
        {
            switch (Type.GetTypeCode(value.GetType().IsEnum ? typeof(object) : value.GetType()))
            {
                case TypeCode.SByte:
                case TypeCode.Int16:
                case TypeCode.Int32:
                case TypeCode.Int64: w.WriteNumberValue(Convert.ToInt64(value)); return true;
                case TypeCode.Byte:
                case TypeCode.UInt16:
                case TypeCode.UInt32:
                case TypeCode.UInt64: w.WriteNumberValue(Convert.ToUInt64(value)); return true;
                case TypeCode.Single: w.WriteNumberValue((float)value); return true;
                case TypeCode.Double: w.WriteNumberValue((double)value); return true;
                case TypeCode.Decimal: w.WriteNumberValue((decimal)value); return true;
            }
            return false;
        }

        static void Serialized(Utf8JsonWriter w, object value)
        {
            string json;
            try
            {
                json = JsonSerializer.Serialize(value, value.GetType(), withoutNulls);
            }
            catch (Exception) // of a type that can't be written, or thrown by a property of it
            {
                w.WriteStringValue(value.ToString());
                return;
            }
            using (JsonDocument document = JsonDocument.Parse(json))
            {
                document.RootElement.WriteTo(w);
            }
        }
    }
}
