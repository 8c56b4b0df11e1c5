package run.wick.runtime;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON text and trees: Map, List, String, Number, Boolean, null. */
final class Json {
    /** Text that is no JSON. */
    static final class Malformed extends RuntimeException {
        private static final long serialVersionUID = 1;

        Malformed(String message) {
            super(message);
        }
    }

    /** How deep text may nest; as deep as AWS's mapper reads. */
    private static final int MAX_DEPTH = 1000;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** Reads one value; what has no text is null. */
    static Object read(String text) {
        Json reader = new Json(text);
        reader.space();
        if (reader.at == text.length()) {
            return null;
        }
        Object value = reader.value();
        reader.space();
        if (reader.at < text.length()) {
            throw reader.malformed("nothing more");
        }
        return value;
    }

    private Malformed malformed(String expected) {
        String found = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
        return new Malformed("Unexpected " + found + " at character " + (at + 1) + ": expected " + expected);
    }

    private void space() {
        while (at < text.length() && text.charAt(at) <= ' ') {
            at++;
        }
    }

    private Object value() {
        if (at == text.length()) {
            throw malformed("a value");
        }
        switch (text.charAt(at)) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            case 'N':
                return word("NaN", Double.NaN);
            case 'I':
                return word("Infinity", Double.POSITIVE_INFINITY);
            default:
                return number();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw malformed(word);
        }
        at += word.length();
        return value;
    }

    private void enter() {
        at++;
        if (++depth > MAX_DEPTH) {
            throw new Malformed("Document nesting depth exceeds the maximum allowed (" + MAX_DEPTH + ")");
        }
        space();
    }

    /** Takes a character if it is next, with the space behind it. */
    private boolean take(char c) {
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            space();
            return true;
        }
        return false;
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new LinkedHashMap<>();
        enter();
        if (!close('}')) {
            do {
                if (at == text.length() || text.charAt(at) != '"') {
                    throw malformed("a name in quotes");
                }
                String name = string();
                space();
                if (!take(':')) {
                    throw malformed("a colon");
                }
                object.put(name, value());
                space();
            } while (take(','));
            if (!close('}')) {
                throw malformed("a comma or the object's end");
            }
        }
        depth--;
        return object;
    }

    private List<Object> array() {
        List<Object> array = new ArrayList<>();
        enter();
        if (!close(']')) {
            do {
                array.add(value());
                space();
            } while (take(','));
            if (!close(']')) {
                throw malformed("a comma or the array's end");
            }
        }
        depth--;
        return array;
    }

    /** Takes a closing character only: the space behind it may be the text's end. */
    private boolean close(char c) {
        if (at < text.length() && text.charAt(at) == c) {
            at++;
            return true;
        }
        return false;
    }

    private String string() {
        int from = ++at;
        while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') {
            at++;
        }
        if (at < text.length() && text.charAt(at) == '"') {
            return text.substring(from, at++);
        }
        StringBuilder s = new StringBuilder(text.substring(from, at));
        while (true) {
            if (at == text.length()) {
                throw malformed("the string's end");
            }
            char c = text.charAt(at++);
            if (c == '"') {
                return s.toString();
            }
            s.append(c == '\\' ? escape() : c);
        }
    }

    private char escape() {
        if (at == text.length()) {
            throw malformed("the string's end");
        }
        char c = text.charAt(at++);
        switch (c) {
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                if (at + 4 > text.length()) {
                    throw malformed("four hexadecimal digits");
                }
                try {
                    at += 4;
                    return (char) Integer.parseInt(text.substring(at - 4, at), 16);
                } catch (NumberFormatException e) {
                    throw malformed("four hexadecimal digits");
                }
            default:
                return c;
        }
    }

    private Number number() {
        int from = at;
        boolean whole = true;
        while (at < text.length()) {
            char c = text.charAt(at);
            if (c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-' && at > from) {
                whole = false;
            } else if ((c < '0' || c > '9') && c != '-') {
                break;
            }
            at++;
        }
        String digits = text.substring(from, at);
        if (digits.equals("-") && text.startsWith("Infinity", at)) {
            at += "Infinity".length();
            return Double.NEGATIVE_INFINITY;
        }
        try {
            if (!whole) {
                return new Decimal(digits);
            }
            if (digits.length() < 19) {
                long n = Long.parseLong(digits);
                return n == (int) n ? (Number) (int) n : (Number) n;
            }
            BigInteger big = new BigInteger(digits);
            return big.bitLength() < 64 ? (Number) big.longValue() : big;
        } catch (NumberFormatException e) {
            at = from;
            throw malformed("a value");
        }
    }

    /** A number with a fraction: a double, unless somebody wants all its digits. */
    static final class Decimal extends Number {
        private static final long serialVersionUID = 1;
        private final String digits;
        private final double value;

        Decimal(String digits) {
            this.digits = digits;
            this.value = Double.parseDouble(digits);
        }

        BigDecimal exact() {
            return new BigDecimal(digits);
        }

        @Override
        public int intValue() {
            return (int) value;
        }

        @Override
        public long longValue() {
            return (long) value;
        }

        @Override
        public float floatValue() {
            return Float.parseFloat(digits);
        }

        @Override
        public double doubleValue() {
            return value;
        }

        @Override
        public String toString() {
            return digits;
        }
    }

    /** Writes a tree. */
    static String write(Object tree) {
        StringBuilder out = new StringBuilder();
        write(tree, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map) {
            char separator = '{';
            for (Map.Entry<?, ?> e : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                quote(String.valueOf(e.getKey()), out);
                out.append(':');
                write(e.getValue(), out);
                separator = ',';
            }
            out.append(separator == '{' ? "{}" : "}");
        } else if (value instanceof List) {
            char separator = '[';
            for (Object item : (List<?>) value) {
                out.append(separator);
                write(item, out);
                separator = ',';
            }
            out.append(separator == '[' ? "[]" : "]");
        } else if (value instanceof String) {
            quote((String) value, out);
        } else {
            out.append(value); // a number, a truth value or null
        }
    }

    private static final String HEX = "0123456789ABCDEF";

    /** Writes text in quotes, as the writer of AWS's client does that is for all but answers. */
    static void quote(CharSequence text, StringBuilder out) {
        quote(text, out, false);
    }

    /** The same, or as the writer of answers does: it escapes surrogates and no line separators. */
    static void quote(CharSequence text, StringBuilder out, boolean ofAnswer) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"':
                    out.append("\\\"");
                    break;
                case '\\':
                    out.append("\\\\");
                    break;
                case '\n':
                    out.append("\\n");
                    break;
                case '\r':
                    out.append("\\r");
                    break;
                case '\t':
                    out.append("\\t");
                    break;
                case '\b':
                    out.append("\\b");
                    break;
                case '\f':
                    out.append("\\f");
                    break;
                default:
                    if (c < ' ' || (ofAnswer ? Character.isSurrogate(c) : c == '\u2028' || c == '\u2029')) {
                        out.append("\\u");
                        for (int shift = 12; shift >= 0; shift -= 4) {
                            char digit = HEX.charAt(c >> shift & 15);
                            out.append(ofAnswer ? digit : Character.toLowerCase(digit));
                        }
                    } else {
                        out.append(c);
                    }
            }
        }
        out.append('"');
    }
}
