using System;
using System.IO;
using System.Reflection;
using System.Threading.Tasks;
using Amazon.Lambda.RuntimeSupport.ExceptionHandling;

namespace Wick.Runtime
{
    /// <summary>What answers events.</summary>
    abstract class Function
    {
        /// <summary>Writes what the function returns; throws what it throws.</summary>
        public abstract void Call(Invocation e, MemoryStream answer);

        public abstract void Prepare(Shape shape);
    }

    /// <summary>What a handler method takes and returns.</summary>
    sealed class Shape
    {
        public MethodInfo Method;
        public object Target; // null for a static method
        public object Serializer; // null without the attribute
        public string Assembly;
        public Type Input; // null for a method that takes no event
        public bool TakesContext;
        public Log Log;

        public bool ReturnsNothing
        {
            get { return Method.ReturnType == typeof(void); }
        }

        public Function Function()
        {
            ParameterInfo[] parameters = Method.GetParameters();
            Type context = TakesContext ? parameters[parameters.Length - 1].ParameterType : typeof(object);
            Type type = typeof(Handler<,,>).MakeGenericType(Input ?? typeof(object), context, ReturnsNothing ? typeof(object) : Method.ReturnType);
            var function = (Function)Activator.CreateInstance(type);
            function.Prepare(this);
            return function;
        }

        /// <summary>The method as a delegate of a type that fits it.</summary>
        public T As<T>()
        {
            return (T)(object)(Target == null ? Method.CreateDelegate(typeof(T)) : Method.CreateDelegate(typeof(T), Target));
        }

        public Func<Stream, T> Reader<T>()
        {
            if (typeof(T) == typeof(Stream))
            {
                return (Func<Stream, T>)(object)new Func<Stream, Stream>(Same);
            }
            Need("deserialize input", typeof(T));
            return Serialization.Reader<T>(Serializer);
        }

        public Action<T, Stream> Writer<T>()
        {
            if (typeof(Stream).IsAssignableFrom(typeof(T)))
            {
                return Copy;
            }
            Need("serialize output", typeof(T));
            return Serialization.Writer<T>(Serializer);
        }

        static Stream Same(Stream stream)
        {
            return stream;
        }

        static void Copy<T>(T from, Stream to)
        {
            ((Stream)(object)from).CopyTo(to);
        }

        void Need(string what, Type type)
        {
            if (Serializer == null)
            {
                throw new LambdaValidationException("Could not find the LambdaSerializerAttribute on the assembly '" + Assembly + "' or method '" + Method.Name
                    + "' while attempting to " + what + " data of type '" + type.FullName
                    + "'. To use types other than System.IO.Stream as input/output parameters, the assembly or Lambda function should be annotated with "
                    + Serialization.AttributeName + ".");
            }
        }
    }

    /// <summary>
    /// A handler method, called by delegates of its own types: nothing is reflected upon once it
    /// is prepared. TIn is what it takes, TContext the function's own ILambdaContext, TOut what
    /// it returns; each is object where there is none.
    /// </summary>
    sealed class Handler<TIn, TContext, TOut> : Function
    {
        Func<Stream, TIn> read; // null where no event is taken
        Func<Invocation, TContext> context; // null where none is taken
        Func<TIn, TContext, TOut> call;
        Action<TOut, Stream> write; // null where nothing is returned

        public override void Prepare(Shape shape)
        {
            if (shape.Input != null)
            {
                read = shape.Reader<TIn>();
            }
            if (shape.TakesContext)
            {
                context = (Func<Invocation, TContext>)Contexts.Maker(shape);
            }
            call = Bind(shape);
            if (!shape.ReturnsNothing)
            {
                write = WriterOf(shape);
            }
        }

        public override void Call(Invocation e, MemoryStream answer)
        {
            TIn input = read == null ? default(TIn) : read(new MemoryStream(e.Body, 0, e.Body.Length, false, true));
            TOut output = call(input, context == null ? default(TContext) : context(e));
            if (write != null)
            {
                write(output, answer);
            }
        }

        static Func<TIn, TContext, TOut> Bind(Shape shape)
        {
            if (shape.ReturnsNothing)
            {
                Action<TIn, TContext> act = BindAction(shape);
                return (e, c) =>
                {
                    act(e, c);
                    return default(TOut);
                };
            }
            if (shape.Input != null && shape.TakesContext)
            {
                return shape.As<Func<TIn, TContext, TOut>>();
            }
            if (shape.Input != null)
            {
                var ofEvent = shape.As<Func<TIn, TOut>>();
                return (e, c) => ofEvent(e);
            }
            if (shape.TakesContext)
            {
                var ofContext = shape.As<Func<TContext, TOut>>();
                return (e, c) => ofContext(c);
            }
            var ofNothing = shape.As<Func<TOut>>();
            return (e, c) => ofNothing();
        }

        static Action<TIn, TContext> BindAction(Shape shape)
        {
            if (shape.Input != null && shape.TakesContext)
            {
                return shape.As<Action<TIn, TContext>>();
            }
            if (shape.Input != null)
            {
                var ofEvent = shape.As<Action<TIn>>();
                return (e, c) => ofEvent(e);
            }
            if (shape.TakesContext)
            {
                var ofContext = shape.As<Action<TContext>>();
                return (e, c) => ofContext(c);
            }
            var ofNothing = shape.As<Action>();
            return (e, c) => ofNothing();
        }

        static Action<TOut, Stream> WriterOf(Shape shape)
        {
            for (Type t = typeof(TOut); t != null; t = t.BaseType)
            {
                if (t.IsGenericType && t.GetGenericTypeDefinition() == typeof(Task<>))
                {
                    var waiting = (Waiting)Activator.CreateInstance(typeof(Waiting<>).MakeGenericType(typeof(TIn), typeof(TContext), typeof(TOut), t.GenericTypeArguments[0]));
                    return waiting.Writer(shape);
                }
            }
            if (typeof(Task).IsAssignableFrom(typeof(TOut)))
            {
                return Wait;
            }
            return shape.Writer<TOut>();
        }

        static void Wait(TOut task, Stream to)
        {
            ((Task)(object)task).GetAwaiter().GetResult();
        }

        /// <summary>Waits for a task and writes its result.</summary>
        abstract class Waiting
        {
            public abstract Action<TOut, Stream> Writer(Shape shape);
        }

        sealed class Waiting<T> : Waiting
        {
            Action<T, Stream> write;

            public override Action<TOut, Stream> Writer(Shape shape)
            {
                write = shape.Writer<T>();
                return Write;
            }

            void Write(TOut task, Stream to)
            {
                write(((Task<T>)(object)task).GetAwaiter().GetResult(), to);
            }
        }
    }
}
