using System;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Amazon.Lambda.RuntimeSupport.ExceptionHandling;

namespace Wick.Runtime
{
    /// <summary>
    /// Finds the function that a handler names, ASSEMBLY::TYPE::METHOD. .NET was started with the
    /// package's .deps.json and .runtimeconfig.json, so the package's assemblies load as in any
    /// program.
    ///
    /// Source: AWS Lambda developer guide, C# handlers; the messages are those of
    /// aws-lambda-dotnet.
    /// </summary>
    static class Functions
    {
        const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static
            | BindingFlags.Public | BindingFlags.NonPublic;

        const string Format = "The valid format is 'ASSEMBLY::TYPE::METHOD'.";
        const string ContextName = "Amazon.Lambda.Core.ILambdaContext";

        public static Function Load(string handler, Log log)
        {
            string[] parts = Split(handler);
            Assembly assembly = LoadAssembly(parts[0]);
            Type type = assembly.GetType(parts[1]);
            if (type == null)
            {
                throw new LambdaValidationException("Unable to load type '" + parts[1] + "' from assembly '" + parts[0] + "'.");
            }
            MethodInfo method = Find(type, parts);
            Check(method);
            object target = Make(type, method);
            object serializer = Serialization.Find(assembly, method);
            return Bind(method, target, serializer, parts, log);
        }

        static string[] Split(string handler)
        {
            if (string.IsNullOrEmpty(handler))
            {
                throw new LambdaValidationException("Empty lambda function handler. " + Format);
            }
            string[] parts = handler.Split(new[] { "::" }, 3, StringSplitOptions.None);
            if (parts.Length != 3)
            {
                throw new LambdaValidationException("Invalid lambda function handler: '" + handler + "'. " + Format);
            }
            string[] names = { "assembly", "type", "method" };
            for (int i = 0; i < 3; i++)
            {
                parts[i] = parts[i].Trim();
                if (parts[i].Length == 0)
                {
                    throw new LambdaValidationException("Invalid lambda function handler: '" + handler + "', the " + names[i] + " is missing. " + Format);
                }
            }
            return parts;
        }

        static Assembly LoadAssembly(string name)
        {
            AssemblyName full = new AssemblyName(name);
            try
            {
                return AssemblyLoadContext.Default.LoadFromAssemblyName(full);
            }
            catch (FileNotFoundException e)
            {
                throw new LambdaValidationException("Could not find the specified handler assembly with the file name '" + e.FileName
                    + "'. The assembly should be located in the root of your uploaded .zip file.");
            }
            catch (Exception)
            {
                throw new LambdaValidationException("Unable to load assembly '" + full + "'.");
            }
        }

        /// <summary>By name, else by signature, in the type and then in those it comes of.</summary>
        static MethodInfo Find(Type type, string[] parts)
        {
            string name = parts[2];
            for (Type at = type; at != null; at = at.BaseType)
            {
                try
                {
                    MethodInfo method = at.GetMethod(name, Declared);
                    if (method != null)
                    {
                        return method;
                    }
                }
                catch (AmbiguousMatchException)
                {
                    string candidates = "";
                    foreach (MethodInfo m in at.GetMethods(Declared))
                    {
                        if (m.Name == name || m.ToString() == name)
                        {
                            candidates += (candidates.Length == 0 ? "" : "\n") + m;
                        }
                    }
                    throw new LambdaValidationException("The method '" + name + "' in type '" + at.FullName
                        + "' appears to have a number of overloads. To call this method please specify a complete method signature. Possible candidates are:\n"
                        + candidates + ".");
                }
            }
            for (Type at = type; at != null; at = at.BaseType)
            {
                foreach (MethodInfo m in at.GetMethods(Declared))
                {
                    if (m.ToString() == name)
                    {
                        return m;
                    }
                }
            }
            throw new LambdaValidationException("Unable to find method '" + name + "' in type '" + parts[1] + "' from assembly '" + parts[0]
                + "': Found no methods matching method name '" + name + "'.");
        }

        static void Check(MethodInfo method)
        {
            string why = null;
            ParameterInfo[] parameters = method.GetParameters();
            if (method.IsAbstract)
            {
                why = "it is an abstract method. Handler methods cannot be abstract. Please specify a non-abstract handler method.";
            }
            else if (method.IsGenericMethod)
            {
                why = "it is a generic method. Handler methods cannot be generic. Please specify a non-generic handler method.";
            }
            else if (method.ReturnType == typeof(void) && method.IsDefined(typeof(AsyncStateMachineAttribute), false))
            {
                why = "it is an 'async void' method. Handler methods cannot be 'async void'. Please specify a method that is not 'async void'.";
            }
            else if (parameters.Length > 0 && parameters[parameters.Length - 1].IsDefined(typeof(ParamArrayAttribute), false))
            {
                why = "it is a 'params' method. Please specify a method that does not use 'params'.";
            }
            else if ((method.CallingConvention & CallingConventions.VarArgs) == CallingConventions.VarArgs)
            {
                why = "it is a 'vararg (variable arguments)' method. Please specify a method that is not 'vararg'.";
            }
            if (why != null)
            {
                throw new LambdaValidationException("The method '" + method + "' cannot be used as a Lambda Handler because " + why);
            }
        }

        /// <summary>The object whose method it is; null for a static one, whose type is initialized.</summary>
        static object Make(Type type, MethodInfo method)
        {
            if (type.IsGenericType)
            {
                throw new LambdaValidationException("The type '" + type.FullName
                    + "' cannot be used as a Lambda Handler type because it is generic. Handler methods cannot be located in generic types. Please specify a handler method in a non-generic type.");
            }
            if (!method.IsStatic && type.IsAbstract)
            {
                throw new LambdaValidationException("The instance method '" + method + "' cannot be used as a Lambda Handler because its type '" + type.FullName
                    + "' is abstract. Please either use a static handler or specify a type that is not abstract.");
            }
            if (!type.IsClass && (!type.IsValueType || type.IsPrimitive || type.IsEnum))
            {
                throw new LambdaValidationException("The type '" + type.FullName
                    + "' cannot be used as a handler type since it is not a class or a struct. Please specify a handler method on a class or struct.");
            }
            if (method.IsStatic)
            {
                RuntimeHelpers.RunClassConstructor(type.TypeHandle);
                return null;
            }
            return Activator.CreateInstance(type);
        }

        static Function Bind(MethodInfo method, object target, object serializer, string[] parts, Log log)
        {
            ParameterInfo[] parameters = method.GetParameters();
            bool takesContext = parameters.Length > 0 && parameters[parameters.Length - 1].ParameterType.FullName == ContextName;
            if (parameters.Length > 2)
            {
                throw new LambdaValidationException("Method '" + method.Name + "' of type '" + parts[1] + "' is not supported: the method has more than 2 parameters.");
            }
            if (parameters.Length == 2 && !takesContext)
            {
                throw new LambdaValidationException("Method '" + method.Name + "' of type '" + parts[1]
                    + "' is not supported: the method has 2 parameters, but the second parameter is not of type '" + ContextName + "'.");
            }
            Type input = parameters.Length > (takesContext ? 1 : 0) ? parameters[0].ParameterType : null;
            var shape = new Shape
            {
                Method = method, Target = target, Serializer = serializer, Assembly = parts[0],
                Input = input, TakesContext = takesContext, Log = log,
            };
            return shape.Function();
        }
    }
}
