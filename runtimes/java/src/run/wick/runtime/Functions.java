package run.wick.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Finds the function that a handler names, CLASS or CLASS::METHOD, in the package: classes at its
 * root and the jars of lib, then those of layers' java/lib.
 *
 * <p>Source: AWS Lambda developer guide, Java handlers. Where a class or method isn't there, AWS
 * fails each invocation; an error in its static initializer or constructor fails init.
 */
final class Functions {
    private static final String CORE_HINT =
            " (the package lacks aws-lambda-java-core, which AWS's own image has: add it to the package's lib folder)";

    private final URLClassLoader loader;
    private final Core core;

    private Functions(URLClassLoader loader, Log log) {
        this.loader = loader;
        core = new Core(loader, log);
    }

    /** Loads the function; the Fault is one that ends init. */
    static Function load(String handler, File root, Log log) throws Fault {
        URLClassLoader loader = packageLoader(root);
        Thread.currentThread().setContextClassLoader(loader);
        try {
            return new Functions(loader, log).find(handler);
        } catch (Fault fault) {
            if (fault.fatal) {
                throw fault;
            }
            return new Function() {
                @Override
                public byte[] call(Invocation event) throws Throwable {
                    throw fault;
                }
            };
        }
    }

    private static URLClassLoader packageLoader(File root) {
        List<URL> urls = new ArrayList<>();
        add(urls, root);
        addJars(urls, new File(root, "lib"));
        // Beside /var: where there are no walls, the package isn't at /var/task, nor layers at /opt.
        addJars(urls, new File(root.getParentFile().getParentFile(), "opt/java/lib"));
        return new URLClassLoader(urls.toArray(new URL[0]), Functions.class.getClassLoader());
    }

    private static void addJars(List<URL> urls, File folder) {
        String[] names = folder.list();
        if (names != null) {
            Arrays.sort(names);
            for (String name : names) {
                if (name.endsWith(".jar")) {
                    add(urls, new File(folder, name));
                }
            }
        }
    }

    private static void add(List<URL> urls, File file) {
        try {
            urls.add(file.toURI().toURL());
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e); // a file's URL is well-formed
        }
    }

    private Function find(String handler) throws Fault {
        int colons = handler.lastIndexOf("::");
        String className = colons < 0 ? handler : handler.substring(0, colons);
        String method = colons < 0 ? null : handler.substring(colons + 2);
        if (className.isEmpty() || method != null && method.isEmpty()) {
            throw Fault.mistake("Invalid handler: `" + handler + "'");
        }
        Class<?> type;
        try {
            type = Class.forName(className, true, loader);
        } catch (ClassNotFoundException e) {
            throw Fault.mistake("Class not found: " + className, e, false);
        } catch (NoClassDefFoundError e) {
            throw Fault.mistake(errorLoading(className, e) + hint(e), e, false);
        } catch (Throwable t) {
            throw Fault.mistake(errorLoading(className, t), t, true);
        }
        return method == null ? byInterface(type) : byMethod(type, method);
    }

    private static String errorLoading(String className, Throwable t) {
        return "Error loading class " + className + (t.getMessage() == null ? "" : ": " + t.getMessage());
    }

    /** What to do where AWS's own image has what is missing; there this error doesn't happen. */
    private String hint(LinkageError e) {
        boolean ofCore = String.valueOf(e.getMessage()).startsWith("com/amazonaws/services/lambda/runtime/");
        return ofCore && core.find("Context") == null ? CORE_HINT : "";
    }

    private Function byInterface(Class<?> type) throws Fault {
        Class<?> streams = core.find("RequestStreamHandler");
        if (streams != null && streams.isAssignableFrom(type)) {
            Object instance = make(type);
            return new Function() {
                @Override
                public byte[] call(Invocation event) throws Throwable {
                    ByteArrayOutputStream out = new ByteArrayOutputStream();
                    core.bridge().handle(instance, new ByteArrayInputStream(event.body), out, contextOf(event));
                    return out.toByteArray();
                }
            };
        }
        Class<?> objects = core.find("RequestHandler");
        if (objects == null || !objects.isAssignableFrom(type)) {
            throw Fault.mistake("Class does not implement an appropriate handler interface: " + type.getName());
        }
        Type[] types = Types.argumentsOf(type, objects);
        if (types == null) {
            throw Fault.mistake("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        for (Type t : types) {
            if (t instanceof TypeVariable && Types.raw(t) == Object.class) {
                throw Fault.mistake("Class " + type.getName() + " does not implement RequestHandler with concrete type "
                        + "parameters: parameter " + t + " has no upper bound.");
            }
        }
        Object instance = make(type);
        return objects(types[0], types[1], new Call() {
            @Override
            public Object call(Object input, Object context) throws Throwable {
                return core.bridge().handle(instance, input, context);
            }
        });
    }

    /** A method that takes an event and a context, however it is called. */
    private interface Call {
        Object call(Object input, Object context) throws Throwable;
    }

    /** A function of objects: JSON in, JSON out. A null input type is an event nobody wants. */
    private Function objects(Type input, Type output, Call call) throws Fault {
        CustomSerializer custom = CustomSerializer.find(core, loader);
        boolean silent = output == void.class || output == Void.class;
        JsonReader reader = input == null ? null : new JsonReader(input);
        JsonWriter writer = new JsonWriter();
        // What the first event will need is loaded now, while there is CPU to spare. No code of
        // the function's runs by it.
        writer.write(Json.read("{\"a\":[1,2.5,\"\",true]}"));
        core.context(Invocation.NONE);
        return new Function() {
            @Override
            public byte[] call(Invocation event) throws Throwable {
                Object context = contextOf(event);
                Object argument = null;
                if (reader != null) {
                    try {
                        argument = custom != null ? custom.read(event.body, input)
                                : reader.read(new String(event.body, StandardCharsets.UTF_8));
                    } catch (Throwable e) {
                        throw new RuntimeException("An error occurred during JSON parsing", Fault.withoutUs(e));
                    }
                }
                Object answer = call.call(argument, context);
                if (silent) {
                    return NULL;
                }
                try {
                    return custom != null ? custom.write(answer, output)
                            : writer.write(answer).getBytes(StandardCharsets.UTF_8);
                } catch (Throwable e) {
                    throw new RuntimeException("An error occurred during JSON serialization of response", e);
                }
            }
        };
    }

    private static final byte[] NULL = {'n', 'u', 'l', 'l'};

    private Object contextOf(Invocation event) {
        core.tellLog4j(event.requestId);
        return core.context(event);
    }

    /** Of the methods of that name the one with the most parameters, a last Context counting twice. */
    private Function byMethod(Class<?> type, String name) throws Fault {
        Method[] methods;
        try {
            methods = type.getMethods();
        } catch (NoClassDefFoundError e) {
            throw Fault.mistake("Error loading method " + name + " on class " + type.getName() + hint(e), e, false);
        }
        List<Method> named = new ArrayList<>();
        for (Method m : methods) {
            if (m.getName().equals(name)) {
                named.add(m);
            }
        }
        named.sort(new Comparator<Method>() {
            @Override
            public int compare(Method a, Method b) {
                return a.isBridge() != b.isBridge() ? (a.isBridge() ? 1 : -1) : weight(b) - weight(a);
            }
        });
        for (Method m : named) {
            Function function = byMethod(type, m);
            if (function != null) {
                return function;
            }
        }
        throw Fault.mistake("No public method named " + name + " with appropriate method signature found on class " + type.getName());
    }

    private int weight(Method m) {
        Class<?>[] types = m.getParameterTypes();
        return types.length + (types.length > 0 && core.isContext(types[types.length - 1]) ? 1 : 0);
    }

    /** Returns null, and says why, where an overload's parameters don't fit. */
    private Function byMethod(Class<?> type, Method m) throws Fault {
        Type[] types = m.getGenericParameterTypes();
        int n = types.length;
        boolean context = n > 0 && core.isContext(types[n - 1]);
        int rest = context ? n - 1 : n; // without it
        boolean in = rest > 0 && types[0] == InputStream.class;
        boolean out = rest > 0 && types[rest - 1] == OutputStream.class;
        String ignored = null;
        if (n > 3) {
            ignored = "Ignoring an overload of method " + m.getName()
                    + " because it has too many parameters: Expected at most 3, got " + n;
        } else if (n == 3 && !(in && out && context)) {
            ignored = "Ignoring three-argument overload because argument signature is not (InputStream, OutputStream, Context";
        } else if (n == 2 && types[0] == OutputStream.class && !context) {
            ignored = "Ignoring two-argument overload because first argument type is OutputStream and second argument type is not Context";
        } else if (n == 2 && core.isContext(types[0])) {
            ignored = "Ignoring two-argument overload because first argument type is Context";
        } else if (n == 2 && in && !out && !context) {
            ignored = "Ignoring two-argument overload because second parameter type, " + Types.raw(types[1]).getName()
                    + ", is not OutputStream.";
        } else if (n == 2 && !in && !context) {
            ignored = "Ignoring two-argument overload because second parameter type is not Context";
        }
        if (ignored != null) {
            System.err.println(ignored);
            return null;
        }
        if ((in || out) && m.getReturnType() != void.class) {
            System.err.println("Will ignore return type " + m.getReturnType() + " on byte stream handler");
        }
        Object instance = Modifier.isStatic(m.getModifiers()) ? null : make(type);
        m.setAccessible(true); // its class may be less visible than it
        prepare(m);
        if (in || out) {
            return new Function() {
                @Override
                public byte[] call(Invocation event) throws Throwable {
                    ByteArrayOutputStream answer = new ByteArrayOutputStream();
                    List<Object> args = new ArrayList<>();
                    if (in) {
                        args.add(new ByteArrayInputStream(event.body));
                    }
                    if (out) {
                        args.add(answer);
                    }
                    if (context) {
                        args.add(contextOf(event));
                    }
                    callMethod(m, instance, args.toArray());
                    return answer.toByteArray();
                }
            };
        }
        Type input = rest == 0 ? null : types[0];
        return objects(input, m.getGenericReturnType(), new Call() {
            @Override
            public Object call(Object event, Object ctx) throws Throwable {
                if (input == null) {
                    return callMethod(m, instance, context ? new Object[] {ctx} : new Object[0]);
                }
                return callMethod(m, instance, context ? new Object[] {event, ctx} : new Object[] {event});
            }
        });
    }

    private static Object callMethod(Method method, Object instance, Object... args) throws Throwable {
        try {
            return method.invoke(instance, args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** Methods of every number of parameters. */
    public static final class Shaped {
        public Object call() {
            return null;
        }

        public Object call(Object a) {
            return null;
        }

        public Object call(Object a, Object b) {
            return null;
        }

        public Object call(Object a, Object b, Object c) {
            return null;
        }
    }

    /**
     * Has Java make what it calls such a method with, which takes it ten milliseconds, before the
     * first event. It calls one that looks like it.
     */
    private static void prepare(Method method) {
        Class<?>[] types = new Class<?>[method.getParameterCount()];
        Arrays.fill(types, Object.class);
        try {
            Shaped.class.getMethod("call", types).invoke(new Shaped(), new Object[types.length]);
        } catch (ReflectiveOperationException | RuntimeException e) {
            // It has more parameters than a handler: nothing to prepare.
        }
    }

    private static Object make(Class<?> type) throws Fault {
        Constructor<?> constructor;
        try {
            constructor = type.getConstructor();
        } catch (NoSuchMethodException e) {
            String why = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers())
                    ? "Class " + type.getName() + " cannot be instantiated because it is a non-static inner class"
                    : "Class " + type.getName() + " has no public zero-argument constructor";
            throw Fault.mistake(why, new Exception(why, e), false);
        }
        try {
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (InvocationTargetException e) {
            throw Fault.inConstructor(e.getCause());
        } catch (ExceptionInInitializerError e) {
            throw Fault.inConstructor(e);
        } catch (ReflectiveOperationException e) {
            throw Fault.mistake(Fault.messageOf(e), e, false);
        }
    }
}
