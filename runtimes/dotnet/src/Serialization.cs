using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using Amazon.Lambda.Core;
using Amazon.Lambda.RuntimeSupport.ExceptionHandling;

namespace Wick.Runtime
{
    /// <summary>The function's own serializer, which [LambdaSerializer] on its method or assembly names.</summary>
    static class Serialization
    {
        public const string AttributeName = "Amazon.Lambda.Core.LambdaSerializerAttribute";
        const string InterfaceName = "Amazon.Lambda.Core.ILambdaSerializer";

        /// <summary>Returns a new one, null where there is no attribute.</summary>
        public static object Find(Assembly assembly, MethodInfo method)
        {
            CustomAttributeData attribute = Find(method.GetCustomAttributesData()) ?? Find(assembly.GetCustomAttributesData());
            if (attribute == null)
            {
                return null;
            }
            Type type = null;
            if (attribute.ConstructorArguments.Count > 0)
            {
                type = attribute.ConstructorArguments[0].Value as Type;
            }
            foreach (CustomAttributeNamedArgument named in attribute.NamedArguments)
            {
                if (named.MemberName == "SerializerType")
                {
                    type = named.TypedValue.Value as Type;
                }
            }
            if (type == null)
            {
                throw new LambdaValidationException("The 'SerializerType' property on attribute class '" + AttributeName + "' is not set.");
            }
            ConstructorInfo constructor = type.GetConstructor(Type.EmptyTypes);
            if (constructor == null)
            {
                throw new LambdaValidationException("The indicated serializer '" + type.FullName + "' does not define a public zero-parameter constructor.");
            }
            if (type.GetInterface(InterfaceName) == null)
            {
                throw new LambdaValidationException("The '" + type.FullName + "' class is invalid: it does not implement the 'ILambdaSerializer' interface.");
            }
            return Activator.CreateInstance(type);
        }

        static CustomAttributeData Find(IList<CustomAttributeData> all)
        {
            foreach (CustomAttributeData a in all)
            {
                if (a.AttributeType.FullName == AttributeName)
                {
                    return a;
                }
            }
            return null;
        }

        public static Func<Stream, T> Reader<T>(object serializer)
        {
            return ((ILambdaSerializer)serializer).Deserialize<T>;
        }

        public static Action<T, Stream> Writer<T>(object serializer)
        {
            return ((ILambdaSerializer)serializer).Serialize<T>;
        }
    }
}
