package run.wick.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Makes JSON into a value of a type, by the rules of the mapper in AWS's Java runtimes: names
 * that a type doesn't have are ignored, single values stand for lists of one and the other way
 * round, numbers and text for each other, empty text for no object.
 */
final class JsonReader {
    /** JSON that a type can't be made of. */
    static final class Mismatch extends RuntimeException {
        private static final long serialVersionUID = 1;

        Mismatch(String message, Throwable cause) {
            super(message, cause);
        }
    }

    private static final Map<TypeVariable<?>, Type> NOTHING = Collections.emptyMap();

    private final Type type;

    JsonReader(Type type) {
        this.type = type;
    }

    Object read(String text) {
        return make(Json.read(text), type, false);
    }

    private static Mismatch mismatch(Class<?> type, Object tree) {
        String kind = tree instanceof Map ? "Object" : tree instanceof List ? "Array" : tree instanceof String ? "String"
                : tree instanceof Boolean ? "Boolean" : "Number";
        return new Mismatch("Cannot deserialize value of type `" + type.getTypeName() + "` from " + kind + " value", null);
    }

    /** event says that the value is inside one of AWS's event types. */
    private Object make(Object tree, Type type, boolean event) {
        Class<?> raw = Types.raw(type);
        if (tree == null) {
            return raw == Optional.class ? Optional.empty() : raw.isPrimitive() ? zero(raw) : null;
        }
        if (raw == Object.class || raw == java.io.Serializable.class) {
            return plain(tree);
        }
        if (raw == Optional.class) {
            Type[] arguments = Types.argumentsOf(type, Optional.class);
            return Optional.ofNullable(make(tree, arguments == null ? Object.class : arguments[0], event));
        }
        if (raw.isArray()) {
            return array(tree, type, raw, event);
        }
        if (Map.class.isAssignableFrom(raw)) {
            return map(tree, type, raw, event);
        }
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) {
            return collection(tree, type, raw, event);
        }
        if (tree instanceof List) {
            List<?> list = (List<?>) tree;
            if (list.size() == 1) {
                return make(list.get(0), type, event);
            }
            if (list.isEmpty() && !raw.isPrimitive()) {
                return null;
            }
            if (!raw.getName().startsWith("java.time.")) {
                throw mismatch(raw, tree);
            }
        }
        Object value = scalar(tree, raw, event);
        return value == NO_SCALAR ? bean(tree, type, raw, null) : value;
    }

    /** A value of no particular type. */
    private static Object plain(Object tree) {
        if (tree instanceof Json.Decimal) {
            return ((Json.Decimal) tree).doubleValue();
        }
        if (tree instanceof List) {
            @SuppressWarnings("unchecked")
            List<Object> list = (List<Object>) tree;
            for (int i = 0; i < list.size(); i++) {
                list.set(i, plain(list.get(i)));
            }
        } else if (tree instanceof Map) {
            @SuppressWarnings("unchecked")
            Map<String, Object> map = (Map<String, Object>) tree;
            for (Map.Entry<String, Object> e : map.entrySet()) {
                e.setValue(plain(e.getValue()));
            }
        }
        return tree;
    }

    private static Object zero(Class<?> primitive) {
        return Array.get(Array.newInstance(primitive, 1), 0);
    }

    private static final Object NO_SCALAR = new Object();

    private Object scalar(Object tree, Class<?> raw, boolean event) {
        if (raw == String.class || raw == CharSequence.class) {
            if (tree instanceof Map) {
                throw mismatch(raw, tree);
            }
            return tree.toString();
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return truth(tree, raw);
        }
        if (raw == char.class || raw == Character.class) {
            return character(tree, raw);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            Object number = number(tree, raw);
            if (number != NO_SCALAR) {
                return number;
            }
        }
        if (raw.isEnum()) {
            return constant(tree, raw);
        }
        if (raw == Date.class) {
            return Dates.date(tree, event);
        }
        if (tree instanceof String && ((String) tree).isEmpty()) {
            return null;
        }
        if (ByteBuffer.class.isAssignableFrom(raw)) {
            return ByteBuffer.wrap(Base64.getMimeDecoder().decode(tree.toString()));
        }
        if (raw.getName().startsWith("java.time.")) {
            return Dates.time(tree, raw);
        }
        return tree instanceof Map ? NO_SCALAR : fromText(tree, raw);
    }

    private static Object truth(Object tree, Class<?> raw) {
        if (tree instanceof Number) {
            return ((Number) tree).intValue() != 0;
        }
        String text = tree.toString();
        if (text.isEmpty()) {
            return raw.isPrimitive() ? false : null;
        }
        if (!text.equalsIgnoreCase("true") && !text.equalsIgnoreCase("false")) {
            throw mismatch(raw, tree);
        }
        return Boolean.valueOf(text);
    }

    private static Object character(Object tree, Class<?> raw) {
        if (tree instanceof Number) {
            return (char) ((Number) tree).intValue();
        }
        String text = tree.toString();
        if (text.length() > 1) {
            throw mismatch(raw, tree);
        }
        return text.isEmpty() ? (raw.isPrimitive() ? (Object) '\0' : null) : (Object) text.charAt(0);
    }

    private static Object number(Object tree, Class<?> raw) {
        if (tree instanceof String && ((String) tree).trim().isEmpty()) {
            return raw.isPrimitive() ? zero(raw) : null;
        }
        Number n;
        if (tree instanceof Number) {
            n = (Number) tree;
        } else if (tree instanceof String) {
            try {
                n = new Json.Decimal(((String) tree).trim());
            } catch (NumberFormatException e) {
                throw mismatch(raw, tree);
            }
        } else {
            throw mismatch(raw, tree);
        }
        if (raw == int.class || raw == Integer.class) {
            return (int) inRange(n, Integer.MIN_VALUE, Integer.MAX_VALUE, "int");
        }
        if (raw == long.class || raw == Long.class) {
            return tree instanceof String ? exact(n).longValue() : inRange(n, Long.MIN_VALUE, Long.MAX_VALUE, "long");
        }
        if (raw == double.class || raw == Double.class) {
            return n.doubleValue();
        }
        if (raw == float.class || raw == Float.class) {
            return n.floatValue();
        }
        if (raw == short.class || raw == Short.class) {
            return (short) inRange(n, Short.MIN_VALUE, Short.MAX_VALUE, "short");
        }
        if (raw == byte.class || raw == Byte.class) {
            return (byte) inRange(n, Byte.MIN_VALUE, 255, "byte");
        }
        if (raw == BigDecimal.class) {
            return exact(n);
        }
        if (raw == BigInteger.class) {
            return exact(n).toBigInteger();
        }
        if (raw == Number.class) {
            return plain(n);
        }
        return NO_SCALAR; // a class of the function's own
    }

    private static BigDecimal exact(Number n) {
        return n instanceof Json.Decimal ? ((Json.Decimal) n).exact() : new BigDecimal(n.toString());
    }

    private static long inRange(Number n, long least, long most, String type) {
        double value = n.doubleValue();
        if (value < least || value > most || n instanceof BigInteger) {
            throw new Mismatch("Numeric value (" + n + ") out of range of " + type + " (" + least + " - " + most + ")", null);
        }
        return n.longValue();
    }

    /** A name that an enumeration doesn't have is null. */
    private static Object constant(Object tree, Class<?> raw) {
        Object[] constants = raw.getEnumConstants();
        if (tree instanceof Number) {
            int i = ((Number) tree).intValue();
            return i >= 0 && i < constants.length ? constants[i] : null;
        }
        for (Object c : constants) {
            if (((Enum<?>) c).name().equals(tree.toString())) {
                return c;
            }
        }
        return null;
    }

    /** Types that know their text: UUID, URI, Locale, … */
    private static Object fromText(Object tree, Class<?> raw) {
        String text = tree.toString();
        try {
            for (String name : new String[] {"fromString", "create", "forLanguageTag", "getInstance", "forName", "compile", "parse"}) {
                if (raw.getName().startsWith("java.") || name.equals("parse") && raw.getName().endsWith(".joda.time.DateTime")) {
                    for (Method m : raw.getMethods()) {
                        if (m.getName().equals(name) && Modifier.isStatic(m.getModifiers()) && m.getReturnType() == raw
                                && Arrays.equals(m.getParameterTypes(), new Class<?>[] {String.class})) {
                            return m.invoke(null, text);
                        }
                    }
                }
            }
            return raw.getName().startsWith("java.") ? raw.getConstructor(String.class).newInstance(text) : refuse(tree, raw);
        } catch (InvocationTargetException e) {
            throw new Mismatch("Cannot deserialize value of type `" + raw.getName() + "` from String \"" + text + "\"", e.getCause());
        } catch (ReflectiveOperationException e) {
            throw mismatch(raw, tree);
        }
    }

    private static Object refuse(Object tree, Class<?> raw) {
        throw mismatch(raw, tree);
    }

    private Object array(Object tree, Type type, Class<?> raw, boolean event) {
        Class<?> component = raw.getComponentType();
        if (tree instanceof String && component == byte.class) {
            return Base64.getMimeDecoder().decode((String) tree);
        }
        if (tree instanceof String && component == char.class) {
            return ((String) tree).toCharArray();
        }
        List<?> list = asList(tree);
        Type item = type instanceof GenericArrayType ? ((GenericArrayType) type).getGenericComponentType() : component;
        Object array = Array.newInstance(component, list.size());
        for (int i = 0; i < list.size(); i++) {
            Array.set(array, i, make(list.get(i), item, event));
        }
        return array;
    }

    private static List<?> asList(Object tree) {
        return tree instanceof List ? (List<?>) tree : Collections.singletonList(tree);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private Object map(Object tree, Type type, Class<?> raw, boolean event) {
        if (tree instanceof String && ((String) tree).isEmpty() || tree instanceof List && ((List<?>) tree).isEmpty()) {
            return null;
        }
        if (tree instanceof List && ((List<?>) tree).size() == 1) {
            tree = ((List<?>) tree).get(0);
        }
        if (!(tree instanceof Map)) {
            throw mismatch(raw, tree);
        }
        Type[] arguments = Types.argumentsOf(type, Map.class);
        Type key = arguments == null ? String.class : arguments[0];
        Type value = arguments == null ? Object.class : arguments[1];
        Map<Object, Object> map;
        if (raw == EnumMap.class) {
            map = new EnumMap(Types.raw(key));
        } else if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) {
            map = SortedMap.class.isAssignableFrom(raw) ? new TreeMap<>()
                    : raw.getName().startsWith("java.util.concurrent.") ? new java.util.concurrent.ConcurrentSkipListMap<>()
                    : new LinkedHashMap<>();
        } else {
            map = (Map<Object, Object>) instance(raw);
        }
        boolean text = Types.raw(key) == Object.class;
        for (Map.Entry<?, ?> e : ((Map<?, ?>) tree).entrySet()) {
            map.put(text ? e.getKey() : make(e.getKey(), key, event), make(e.getValue(), value, event));
        }
        return map;
    }

    @SuppressWarnings("unchecked")
    private Object collection(Object tree, Type type, Class<?> raw, boolean event) {
        if (tree instanceof String && ((String) tree).isEmpty()) {
            return null;
        }
        Type[] arguments = Types.argumentsOf(type, Iterable.class);
        Type item = arguments == null ? Object.class : arguments[0];
        Collection<Object> all;
        if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) {
            all = SortedSet.class.isAssignableFrom(raw) ? new TreeSet<>()
                    : java.util.Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>()
                    : java.util.Queue.class.isAssignableFrom(raw) ? new ArrayDeque<>()
                    : new ArrayList<>();
        } else {
            all = (Collection<Object>) instance(raw);
        }
        for (Object element : asList(tree)) {
            all.add(make(element, item, event));
        }
        return all;
    }

    private static Object instance(Class<?> raw) {
        try {
            return raw.getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new Mismatch("Cannot construct instance of `" + raw.getName() + "`", e);
        }
    }

    /** outer is the object that one of an inner class is made with, else null. */
    private Object bean(Object tree, Type type, Class<?> raw, Object outer) {
        Map<?, ?> object = (Map<?, ?>) tree;
        Bean bean = Bean.of(raw);
        Map<TypeVariable<?>, Type> known = type instanceof Class ? NOTHING : Types.variables(type);
        String name = null;
        try {
            if (bean.components != null) {
                Map<String, Object> given = new LinkedHashMap<>();
                for (Map.Entry<?, ?> e : object.entrySet()) {
                    given.put(bean.key((String) e.getKey()), e.getValue());
                }
                Object[] values = new Object[bean.components.size()];
                for (int i = 0; i < values.length; i++) {
                    name = bean.componentNames.get(i);
                    values[i] = make(given.get(bean.key(name)), Types.resolve(bean.components.get(i), known), bean.event);
                }
                name = null;
                return bean.make(values);
            }
            Object made = outer == null ? bean.make() : bean.make(outer);
            for (Map.Entry<?, ?> e : object.entrySet()) {
                name = (String) e.getKey();
                Bean.Property p = bean.writable(name);
                if (p != null) {
                    p.set(made, member(e.getValue(), Types.resolve(inherited(p, raw, type, known), known), bean.event, made));
                }
            }
            return made;
        } catch (InvocationTargetException e) {
            throw new Mismatch(where(raw, name, e.getCause()), e.getCause());
        } catch (ReflectiveOperationException | Mismatch e) {
            throw new Mismatch(where(raw, name, e), e instanceof Mismatch ? e.getCause() : e);
        }
    }

    private Object member(Object tree, Type type, boolean event, Object of) {
        Class<?> raw = Types.raw(type);
        if (tree instanceof Map && raw.getDeclaringClass() == of.getClass() && Bean.of(raw).isInside(of.getClass())) {
            return bean(tree, type, raw, of);
        }
        return make(tree, type, event);
    }

    /** A property's type, with the variables of a generic parent resolved. */
    private static Type inherited(Bean.Property p, Class<?> raw, Type type, Map<TypeVariable<?>, Type> known) {
        Type t = p.type();
        Class<?> owner = p.setter != null ? p.setter.getDeclaringClass() : p.field.getDeclaringClass();
        if (t instanceof Class || owner == raw) {
            return t;
        }
        Type[] arguments = Types.argumentsOf(type, owner);
        if (arguments == null) {
            return t;
        }
        Map<TypeVariable<?>, Type> ofOwner = new LinkedHashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            ofOwner.put(owner.getTypeParameters()[i], Types.resolve(arguments[i], known));
        }
        return Types.resolve(t, ofOwner);
    }

    private static String where(Class<?> raw, String name, Throwable t) {
        String chain = name == null ? "" : " (through reference chain: " + raw.getName() + "[\"" + name + "\"])";
        return t.getMessage() + chain;
    }
}
