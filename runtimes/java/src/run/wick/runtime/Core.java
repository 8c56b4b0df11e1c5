package run.wick.runtime;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Map;

/**
 * The types of AWS's aws-lambda-java-core that a function and its runtime share. They come from
 * the function's own package, so what is given of them to a function is made at run time.
 */
final class Core {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    private final ClassLoader loader;
    private final Log log;
    private final Class<?> context;
    private final Object logger;
    private final Method useLog4j;

    Core(ClassLoader loader, Log log) {
        this.loader = loader;
        this.log = log;
        context = find("Context");
        Class<?> loggerType = find("LambdaLogger");
        logger = loggerType == null ? null : proxy(loggerType, new Members() {
            @Override
            public Object call(String method, Object[] args) {
                return log(method, args);
            }
        });
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
        if (runtime == null) {
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

    /** Returns the Context of an invocation, null where the function can't know the type. */
    Object context(Invocation event) {
        if (context == null) {
            return null;
        }
        Object identity = identity(event.cognitoIdentity);
        Object client = clientContext(event.clientContext);
        return proxy(context, new Members() {
            @Override
            public Object call(String method, Object[] args) {
                switch (method) {
                    case "getAwsRequestId":
                        return event.requestId;
                    case "getLogGroupName":
                        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
                    case "getLogStreamName":
                        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
                    case "getFunctionName":
                        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
                    case "getFunctionVersion":
                        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
                    case "getInvokedFunctionArn":
                        return event.functionArn;
                    case "getIdentity":
                        return identity;
                    case "getClientContext":
                        return client;
                    case "getRemainingTimeInMillis":
                        return (int) Math.max(event.deadlineMs - System.currentTimeMillis(), 0);
                    case "getMemoryLimitInMB":
                        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
                    case "getLogger":
                        return logger;
                    case "getTenantId":
                        return event.tenantId;
                    case "getXrayTraceId":
                        return event.traceId;
                    default:
                        return null; // of a newer library
                }
            }
        });
    }

    private Object log(String method, Object[] args) {
        String level = args.length > 1 && args[1] != null ? args[1].toString() : null;
        if (args[0] instanceof byte[]) {
            log.log((byte[]) args[0], level);
        } else {
            log.log((String) args[0], level);
        }
        return null;
    }

    private Object identity(String text) {
        Class<?> type = find("CognitoIdentity");
        if (type == null || text == null || text.isEmpty()) {
            return null;
        }
        Map<?, ?> fields = (Map<?, ?>) Json.read(text);
        return proxy(type, new Members() {
            @Override
            public Object call(String method, Object[] args) {
                switch (method) {
                    case "getIdentityId":
                        return fields.get("cognitoIdentityId");
                    case "getIdentityPoolId":
                        return fields.get("cognitoIdentityPoolId");
                    default:
                        return null;
                }
            }
        });
    }

    private Object clientContext(String text) {
        Class<?> type = find("ClientContext");
        if (type == null || text == null || text.isEmpty()) {
            return null;
        }
        Map<?, ?> fields = (Map<?, ?>) Json.read(text);
        Object client = client((Map<?, ?>) fields.get("client"));
        return proxy(type, new Members() {
            @Override
            public Object call(String method, Object[] args) {
                switch (method) {
                    case "getClient":
                        return client;
                    case "getCustom":
                        return fields.get("custom");
                    case "getEnvironment":
                        return fields.get("env");
                    default:
                        return null;
                }
            }
        });
    }

    private Object client(Map<?, ?> fields) {
        Class<?> type = find("Client");
        if (type == null || fields == null) {
            return null;
        }
        return proxy(type, new Members() {
            @Override
            public Object call(String method, Object[] args) {
                switch (method) {
                    case "getInstallationId":
                        return fields.get("installation_id");
                    case "getAppTitle":
                        return fields.get("app_title");
                    case "getAppVersionName":
                        return fields.get("app_version_name");
                    case "getAppVersionCode":
                        return fields.get("app_version_code");
                    case "getAppPackageName":
                        return fields.get("app_package_name");
                    default:
                        return null;
                }
            }
        });
    }

    /**
     * What an object made here does when a method of its interface is called. Here and in
     * Functions there are classes rather than lambdas, which make their classes anew at every start.
     */
    private interface Members {
        Object call(String method, Object[] args);
    }

    private static final Object[] NONE = {};

    private Object proxy(Class<?> type, Members members) {
        InvocationHandler handler = new InvocationHandler() {
            @Override
            public Object invoke(Object self, Method method, Object[] args) {
                if (method.getDeclaringClass() != Object.class) {
                    return members.call(method.getName(), args == null ? NONE : args);
                }
                switch (method.getName()) {
                    case "equals":
                        return self == args[0];
                    case "hashCode":
                        return System.identityHashCode(self);
                    default:
                        return "Lambda" + type.getSimpleName() + "@" + Integer.toHexString(System.identityHashCode(self));
                }
            }
        };
        return Proxy.newProxyInstance(loader, new Class<?>[] {type}, handler);
    }
}
