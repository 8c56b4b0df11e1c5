package run.wick.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * A serializer of the function's own, a service of aws-lambda-java-core's CustomPojoSerializer.
 *
 * <p>Source: AWS Lambda developer guide, Java custom serialization.
 */
final class CustomSerializer {
    private final Object serializer;
    private final Method fromJson;
    private final Method toJson;

    private CustomSerializer(Object serializer, Method fromJson, Method toJson) {
        this.serializer = serializer;
        this.fromJson = fromJson;
        this.toJson = toJson;
    }

    /** Returns null where the function has none; service is null where its library knows none. */
    static CustomSerializer find(Class<?> service, ClassLoader loader) throws Fault {
        if (service == null) {
            return null;
        }
        try {
            Iterator<?> found = ServiceLoader.load(service, loader).iterator();
            if (!found.hasNext()) {
                return null;
            }
            Object serializer = found.next();
            if (found.hasNext()) {
                throw Fault.mistake("Too many serializers provided inside the META-INF/services folder, only one is allowed");
            }
            return new CustomSerializer(serializer, service.getMethod("fromJson", InputStream.class, Type.class),
                    service.getMethod("toJson", Object.class, OutputStream.class, Type.class));
        } catch (ReflectiveOperationException | Error e) { // a ServiceConfigurationError is one
            throw Fault.mistake(String.valueOf(e.getMessage()), e, false);
        }
    }

    Object read(byte[] text, Type type) throws Throwable {
        return callInterface(fromJson, new ByteArrayInputStream(text), type);
    }

    byte[] write(Object value, Type type) throws Throwable {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        callInterface(toJson, value, out, type);
        return out.toByteArray();
    }

    private Object callInterface(Method method, Object... args) throws Throwable {
        try {
            return method.invoke(serializer, args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
