package run.wick.runtime;

import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import com.amazonaws.services.lambda.runtime.serialization.factories.JacksonFactory;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import org.joda.time.DateTime;
import org.joda.time.DateTimeZone;

/**
 * Fills an object of every class of AWS's events library, and has it written, read and written
 * again by AWS's serialization library and by ours. Prints a line for each class, and what differs.
 */
public final class CompareEvents {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.events.";
    private static int strings;

    private CompareEvents() {}

    public static void main(String[] args) throws Exception {
        List<String> names = new ArrayList<>();
        try (JarFile jar = new JarFile(args[0])) {
            jar.stream().map(e -> e.getName()).filter(n -> n.endsWith(".class") && !n.contains("$"))
                    .map(n -> n.substring(0, n.length() - 6).replace('/', '.'))
                    .filter(n -> n.startsWith(PACKAGE) && n.indexOf('.', PACKAGE.length()) < 0).sorted().forEach(names::add);
        }
        for (String name : names) {
            Class<?> type = Class.forName(name);
            if (type.isInterface() || type.isEnum() || Modifier.isAbstract(type.getModifiers())) {
                continue;
            }
            System.out.println(compare(type));
        }
    }

    @SuppressWarnings("unchecked")
    private static String compare(Class<?> type) {
        String name = type.getName().substring(PACKAGE.length());
        boolean special = LambdaEventSerializers.isLambdaSupportedEvent(type.getName());
        PojoSerializer<Object> aws;
        try {
            aws = special ? (PojoSerializer<Object>) LambdaEventSerializers.serializerFor(type, type.getClassLoader())
                    : (PojoSerializer<Object>) (PojoSerializer<?>) JacksonFactory.getInstance().getSerializer(type);
        } catch (RuntimeException e) {
            return name + ": AWS's library has no serializer: " + e;
        }
        JsonReader reader = new JsonReader(type);
        JsonWriter writer = new JsonWriter();
        strings = 0;
        Object filled = fill(type, new ArrayList<>());
        String theirs = attempt(() -> write(aws, filled));
        String ours = attempt(() -> writer.write(filled));
        if (!theirs.equals(ours)) {
            return name + " written\n  theirs " + theirs + "\n  ours   " + ours;
        }
        String again = attempt(() -> write(aws, aws.fromJson(theirs)));
        String read = attempt(() -> write(aws, reader.read(theirs)));
        if (!again.equals(read)) {
            return name + " read\n  text   " + theirs + "\n  theirs " + again + "\n  ours   " + read;
        }
        return name + " ok " + theirs.length() + (special ? " special" : "");
    }

    private interface Attempt {
        String run() throws Exception;
    }

    private static String attempt(Attempt a) {
        try {
            return a.run();
        } catch (Exception | Error e) {
            return e.getClass().getSimpleName() + (System.getenv("WHY") != null ? " " + e + e.getCause() : "");
        }
    }

    private static String write(PojoSerializer<Object> aws, Object value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        aws.toJson(value, out);
        return new String(out.toByteArray(), StandardCharsets.UTF_8);
    }

    private static Object fill(Type type, List<Type> inside) {
        Class<?> raw = Types.raw(type);
        if (raw == String.class || raw == Object.class || raw == CharSequence.class) {
            return "s" + strings++;
        } else if (raw == int.class || raw == Integer.class) {
            return 7;
        } else if (raw == long.class || raw == Long.class) {
            return 1735689600123L;
        } else if (raw == boolean.class || raw == Boolean.class) {
            return true;
        } else if (raw == double.class || raw == Double.class) {
            return 1.5;
        } else if (raw == float.class || raw == Float.class) {
            return 2.5f;
        } else if (raw == Date.class) {
            return new Date(1735689600123L);
        } else if (raw == DateTime.class) {
            return new DateTime(1735689600123L, DateTimeZone.UTC);
        } else if (raw == ByteBuffer.class) {
            return ByteBuffer.wrap("bytes".getBytes(StandardCharsets.UTF_8));
        } else if (raw.isEnum()) {
            return raw.getEnumConstants()[0];
        } else if (raw == byte[].class) {
            return "bytes".getBytes(StandardCharsets.UTF_8);
        } else if (raw.isArray()) {
            Object array = java.lang.reflect.Array.newInstance(raw.getComponentType(), 1);
            java.lang.reflect.Array.set(array, 0, fill(raw.getComponentType(), inside));
            return array;
        } else if (Collection.class.isAssignableFrom(raw)) {
            Object item = fill(((ParameterizedType) type).getActualTypeArguments()[0], inside);
            return item == null ? null : new ArrayList<>(Collections.singletonList(item));
        } else if (Map.class.isAssignableFrom(raw)) {
            Type[] arguments = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[] {String.class, Object.class};
            Object key = fill(arguments[0], inside);
            Object value = fill(arguments[1], inside);
            return value == null ? null : new LinkedHashMap<>(Collections.singletonMap(key, value));
        }
        if (inside.contains(raw)) {
            return null;
        }
        inside.add(raw);
        try {
            return fillBean(raw, inside);
        } catch (ReflectiveOperationException e) {
            return null;
        } finally {
            inside.remove(raw);
        }
    }

    private static Object fillBean(Class<?> raw, List<Type> inside) throws ReflectiveOperationException {
        Object bean = make(raw, inside);
        if (bean == null) {
            return null;
        }
        Method[] methods = raw.getMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName).thenComparing(m -> Arrays.toString(m.getParameterTypes())));
        for (Method m : methods) {
            if (m.getName().startsWith("set") && m.getName().length() > 3 && m.getParameterCount() == 1 && !Modifier.isStatic(m.getModifiers())) {
                Object value = fill(m.getGenericParameterTypes()[0], inside);
                if (value != null) {
                    try {
                        m.invoke(bean, value);
                    } catch (ReflectiveOperationException e) {
                        // It wants another value: it stays as it is.
                    }
                }
            }
        }
        return bean;
    }

    private static Object make(Class<?> raw, List<Type> inside) throws ReflectiveOperationException {
        try {
            return raw.getConstructor().newInstance();
        } catch (NoSuchMethodException e) {
            java.lang.reflect.Constructor<?>[] all = raw.getConstructors();
            if (all.length == 0) {
                return null;
            }
            Arrays.sort(all, (a, b) -> b.getParameterCount() - a.getParameterCount());
            Type[] types = all[0].getGenericParameterTypes();
            Object[] values = new Object[types.length];
            for (int i = 0; i < types.length; i++) {
                values[i] = fill(types[i], inside);
            }
            return all[0].newInstance(values);
        }
    }
}
