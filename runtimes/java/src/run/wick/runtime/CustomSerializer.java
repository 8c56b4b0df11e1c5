package run.wick.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Type;
import java.net.URLClassLoader;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * A serializer of the function's own, a service of aws-lambda-java-core's CustomPojoSerializer.
 *
 * <p>Source: AWS Lambda developer guide, Java custom serialization.
 */
final class CustomSerializer {
    private final Bridge bridge;
    private final Object serializer;

    private CustomSerializer(Bridge bridge, Object serializer) {
        this.bridge = bridge;
        this.serializer = serializer;
    }

    /** Returns null where the function has none. */
    static CustomSerializer find(Core core, URLClassLoader loader) throws Fault {
        Class<?> service = core.find("CustomPojoSerializer");
        // A ServiceLoader takes its time to find nothing.
        if (service == null || loader.findResource("META-INF/services/" + service.getName()) == null) {
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
            return new CustomSerializer(core.bridge(), serializer);
        } catch (Error e) { // a ServiceConfigurationError is one
            throw Fault.mistake(String.valueOf(e.getMessage()), e, false);
        }
    }

    Object read(byte[] text, Type type) throws Throwable {
        return bridge.read(serializer, new ByteArrayInputStream(text), type);
    }

    byte[] write(Object value, Type type) throws Throwable {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        bridge.write(serializer, value, out, type);
        return out.toByteArray();
    }
}
