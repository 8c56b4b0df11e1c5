package run.wick.runtime;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Map;

/**
 * The function's own aws-lambda-java-core: types that it and its runtime share, and what of them
 * lasts over all events.
 */
final class Core {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    private final ClassLoader loader;
    private final Class<?> context;
    private final Bridge bridge;
    private final Object logger;
    private final Method useLog4j;

    Core(ClassLoader loader, Log log) {
        this.loader = loader;
        context = find("Context");
        bridge = context == null ? null : BridgeLoader.to(loader);
        logger = bridge == null ? null : bridge.logger(log);
        setLogger();
        useLog4j = useLog4j(find("LambdaRuntimeInternal"));
        usesLog4j(); // the first call of a method takes Java long
    }

    /** Returns a type of the library, null where the function hasn't got it. */
    Class<?> find(String name) {
        try {
            return Class.forName(PACKAGE + name, false, loader);
        } catch (ClassNotFoundException | LinkageError e) {
            return null;
        }
    }

    boolean isContext(Object type) {
        return context != null && context.equals(type);
    }

    /** What LambdaRuntime.getLogger returns, and log appenders use. */
    private void setLogger() {
        Class<?> runtime = find("LambdaRuntime");
        if (runtime == null || logger == null) {
            return;
        }
        try {
            Field field = runtime.getDeclaredField("logger");
            field.setAccessible(true);
            field.set(null, logger);
        } catch (ReflectiveOperationException | RuntimeException e) {
            // A library of another make; its own logger prints.
        }
    }

    /** Gives log4j's records the request's ID, where the function has AWS's appender. */
    void tellLog4j(String requestId) {
        if (usesLog4j()) {
            putRequestId("org.apache.logging.log4j.ThreadContext", String.class, requestId);
            putRequestId("org.apache.log4j.MDC", Object.class, requestId);
        }
    }

    /** The appender says so when it is loaded, which may be late. */
    private boolean usesLog4j() {
        try {
            return useLog4j != null && Boolean.TRUE.equals(useLog4j.invoke(null));
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }

    private static Method useLog4j(Class<?> internal) {
        try {
            return internal == null ? null : internal.getMethod("getUseLog4jAppender");
        } catch (NoSuchMethodException e) {
            return null; // an older library
        }
    }

    private void putRequestId(String map, Class<?> valueType, String requestId) {
        try {
            Class.forName(map, true, loader).getMethod("put", String.class, valueType).invoke(null, "AWSRequestId", requestId);
        } catch (ReflectiveOperationException | LinkageError | RuntimeException e) {
            // Not the log4j this function has.
        }
    }

    /** The way to the library's types, null where the function hasn't got it. */
    Bridge bridge() {
        return bridge;
    }

    /** Returns the Context of an invocation, null where the function can't know the type. */
    Object context(Invocation event) {
        return bridge == null ? null : bridge.context(event, logger, fields(event.cognitoIdentity), fields(event.clientContext));
    }

    private static Map<?, ?> fields(String text) {
        return text == null || text.isEmpty() ? null : (Map<?, ?>) Json.read(text);
    }
}
