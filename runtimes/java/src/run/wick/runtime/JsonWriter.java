package run.wick.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Makes a value into JSON by the rules of the mapper in AWS's Java runtimes: properties and map
 * entries that are null are left out, NaN is text, bytes are Base64.
 */
final class JsonWriter {
    /** A value that has no JSON form. */
    static final class Unwritable extends RuntimeException {
        private static final long serialVersionUID = 1;

        Unwritable(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** Deeper than this a value holds itself. */
    private static final int MAX_DEPTH = 1000;

    String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, 0, false);
        return out.toString();
    }

    /** event says that the value is inside one of AWS's event types. */
    private void write(Object value, StringBuilder out, int depth, boolean event) {
        if (depth > MAX_DEPTH) {
            throw new Unwritable("Document nesting depth (" + depth + ") exceeds the maximum allowed (" + MAX_DEPTH + ")", null);
        }
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof CharSequence) {
            quote((CharSequence) value, out);
        } else if (value instanceof Number) {
            number((Number) value, out);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value, out, depth, event);
        } else if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
            items(((Iterable<?>) value).iterator(), out, depth, event);
        } else if (value instanceof Iterator) {
            items((Iterator<?>) value, out, depth, event);
        } else if (value.getClass().isArray()) {
            array(value, out, depth, event);
        } else if (value instanceof Enum) {
            quote(((Enum<?>) value).name(), out);
        } else if (value instanceof Character) {
            quote(value.toString(), out);
        } else if (value instanceof Optional) {
            write(((Optional<?>) value).orElse(null), out, depth, event);
        } else if (value instanceof AtomicBoolean) {
            out.append(value);
        } else if (value instanceof ByteBuffer) {
            ByteBuffer view = ((ByteBuffer) value).asReadOnlyBuffer();
            byte[] bytes = new byte[view.remaining()];
            view.get(bytes);
            quote(Base64.getEncoder().encodeToString(bytes), out);
        } else if (!Dates.write(value, out, event)) {
            object(value, out, depth);
        }
    }

    /** As AWS's mapper has it, a surrogate is an escape, also one without its other half. */
    private static void quote(CharSequence text, StringBuilder out) {
        Json.quote(text, out, true);
    }

    private static void number(Number n, StringBuilder out) {
        double d = n instanceof Double || n instanceof Float ? n.doubleValue() : 0;
        if (Double.isNaN(d) || Double.isInfinite(d)) {
            out.append('"').append(n).append('"');
        } else {
            out.append(n);
        }
    }

    private void map(Map<?, ?> map, StringBuilder out, int depth, boolean event) {
        char separator = '{';
        for (Map.Entry<?, ?> e : map.entrySet()) {
            if (e.getKey() == null) {
                throw new Unwritable("Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)", null);
            }
            if (e.getValue() != null) {
                out.append(separator);
                Object key = e.getKey();
                quote(key instanceof Enum ? ((Enum<?>) key).name() : key.toString(), out);
                out.append(':');
                write(e.getValue(), out, depth + 1, event);
                separator = ',';
            }
        }
        out.append(separator == '{' ? "{}" : "}");
    }

    private void items(Iterator<?> items, StringBuilder out, int depth, boolean event) {
        char separator = '[';
        while (items.hasNext()) {
            out.append(separator);
            write(items.next(), out, depth + 1, event);
            separator = ',';
        }
        out.append(separator == '[' ? "[]" : "]");
    }

    private void array(Object array, StringBuilder out, int depth, boolean event) {
        if (array instanceof byte[]) {
            quote(Base64.getEncoder().encodeToString((byte[]) array), out);
        } else if (array instanceof char[]) {
            quote(new String((char[]) array), out);
        } else {
            out.append('[');
            for (int i = 0; i < Array.getLength(array); i++) {
                if (i > 0) {
                    out.append(',');
                }
                write(Array.get(array, i), out, depth + 1, event);
            }
            out.append(']');
        }
    }

    private void object(Object value, StringBuilder out, int depth) {
        Class<?> type = value.getClass();
        String name = type.getName();
        if (value instanceof Class) {
            quote(((Class<?>) value).getName(), out);
        } else if (value instanceof java.util.TimeZone) {
            quote(((java.util.TimeZone) value).getID(), out);
        } else if (value instanceof Map.Entry) {
            Map.Entry<?, ?> e = (Map.Entry<?, ?>) value;
            map(java.util.Collections.singletonMap(e.getKey(), e.getValue()), out, depth, false);
        } else if (name.endsWith(".joda.time.DateTime") || name.startsWith("java.") && !(value instanceof Throwable)
                && !name.startsWith("java.lang.Object")) {
            quote(value.toString(), out); // UUID, URI, Locale, Pattern, …
        } else {
            bean(value, Bean.of(type), out, depth);
        }
    }

    private void bean(Object value, Bean bean, StringBuilder out, int depth) {
        char separator = '{';
        for (Bean.Property p : bean.readable()) {
            Object member;
            try {
                member = p.get(value);
            } catch (InvocationTargetException e) {
                throw new Unwritable(e.getCause().getMessage() + " (through reference chain: " + value.getClass().getName()
                        + "[\"" + p.name + "\"])", e.getCause());
            } catch (ReflectiveOperationException e) {
                throw new Unwritable(e.getMessage(), e);
            }
            if (member == value) {
                throw new Unwritable("Direct self-reference leading to cycle (through reference chain: "
                        + value.getClass().getName() + "[\"" + p.name + "\"])", null);
            }
            if (member != null) {
                out.append(separator);
                quote(p.written, out);
                out.append(':');
                write(member, out, depth + 1, bean.event);
                separator = ',';
            }
        }
        out.append(separator == '{' ? "{}" : "}");
    }
}
