package run.wick.runtime;

import java.lang.reflect.InvocationTargetException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.Year;
import java.util.Calendar;
import java.util.Date;
import java.util.List;

/**
 * Dates and times in JSON. A java.util.Date is milliseconds, seconds inside AWS's event types; an
 * instant is seconds with nine digits behind the point; local dates and times are arrays.
 */
final class Dates {
    private Dates() {}

    static Date date(Object tree, boolean event) {
        if (tree instanceof Number) {
            double n = ((Number) tree).doubleValue();
            if (event && n == 0) {
                return null;
            }
            return new Date(event ? (long) (n * 1000) : ((Number) tree).longValue());
        }
        String text = tree.toString().trim();
        if (text.isEmpty()) {
            return null;
        }
        try {
            return Date.from(instant(text));
        } catch (DateTimeException e) {
            throw new JsonReader.Mismatch("Cannot deserialize value of type `java.util.Date` from String \"" + text + "\"", e);
        }
    }

    /** ISO 8601 with or without a time or an offset, also +0000. */
    private static Instant instant(String text) {
        if (text.length() == 10) {
            return LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant();
        }
        String offset = text.replaceFirst("([+-]\\d\\d)(\\d\\d)$", "$1:$2");
        if (offset.endsWith("Z") || offset.matches(".*[+-]\\d\\d:\\d\\d$")) {
            return OffsetDateTime.parse(offset).toInstant();
        }
        return LocalDateTime.parse(offset).toInstant(ZoneOffset.UTC);
    }

    /** A value of a class of java.time. */
    static Object time(Object tree, Class<?> raw) {
        try {
            if (tree instanceof List) {
                return local((List<?>) tree, raw);
            }
            if (tree instanceof Number) {
                return ofNumber((Number) tree, raw);
            }
            String text = tree.toString();
            if (raw == Instant.class) {
                return instant(text);
            }
            if (ZoneId.class.isAssignableFrom(raw)) {
                return ZoneId.of(text);
            }
            return raw.getMethod("parse", CharSequence.class).invoke(null, text);
        } catch (InvocationTargetException e) {
            throw refused(tree, raw, e.getCause());
        } catch (ReflectiveOperationException | DateTimeException | IndexOutOfBoundsException e) {
            throw refused(tree, raw, e);
        }
    }

    private static JsonReader.Mismatch refused(Object tree, Class<?> raw, Throwable cause) {
        return new JsonReader.Mismatch("Cannot deserialize value of type `" + raw.getName() + "` from " + tree, cause);
    }

    private static Object ofNumber(Number n, Class<?> raw) {
        BigDecimal seconds = n instanceof Json.Decimal ? ((Json.Decimal) n).exact() : new BigDecimal(n.toString());
        long whole = seconds.setScale(0, RoundingMode.FLOOR).longValue();
        long nanos = seconds.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue();
        Instant at = Instant.ofEpochSecond(whole, nanos);
        if (raw == Instant.class) {
            return at;
        }
        if (raw == OffsetDateTime.class) {
            return at.atOffset(ZoneOffset.UTC);
        }
        if (raw == ZonedDateTime.class) {
            return at.atZone(ZoneId.of("UTC"));
        }
        if (raw == Duration.class) {
            return Duration.ofSeconds(whole, nanos);
        }
        if (raw == Year.class) {
            return Year.of((int) whole);
        }
        if (raw == LocalDate.class) {
            return LocalDate.ofEpochDay(whole);
        }
        throw refused(n, raw, null);
    }

    private static Object local(List<?> parts, Class<?> raw) {
        int[] n = new int[7];
        for (int i = 0; i < parts.size(); i++) {
            n[i] = ((Number) parts.get(i)).intValue();
        }
        if (raw == LocalDate.class) {
            return LocalDate.of(n[0], n[1], n[2]);
        }
        if (raw == LocalTime.class) {
            return LocalTime.of(n[0], n[1], n[2], n[3]);
        }
        if (raw == LocalDateTime.class) {
            return LocalDateTime.of(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
        }
        throw refused(parts, raw, null);
    }

    /** Writes a date or time; false when value is none. */
    static boolean write(Object value, StringBuilder out, boolean event) {
        if (value instanceof Calendar) {
            value = ((Calendar) value).getTime();
        }
        if (value instanceof Date) {
            long ms = ((Date) value).getTime();
            if (event) {
                out.append(ms / 1000.0);
            } else {
                out.append(ms);
            }
        } else if (value instanceof Instant) {
            seconds(((Instant) value).getEpochSecond(), ((Instant) value).getNano(), out);
        } else if (value instanceof OffsetDateTime) {
            write(((OffsetDateTime) value).toInstant(), out, event);
        } else if (value instanceof ZonedDateTime) {
            write(((ZonedDateTime) value).toInstant(), out, event);
        } else if (value instanceof Duration) {
            seconds(((Duration) value).getSeconds(), ((Duration) value).getNano(), out);
        } else if (value instanceof LocalDate) {
            LocalDate d = (LocalDate) value;
            out.append('[').append(d.getYear()).append(',').append(d.getMonthValue()).append(',').append(d.getDayOfMonth()).append(']');
        } else if (value instanceof LocalTime) {
            out.append('[');
            clock((LocalTime) value, out);
            out.append(']');
        } else if (value instanceof LocalDateTime) {
            write(((LocalDateTime) value).toLocalDate(), out, event);
            out.setCharAt(out.length() - 1, ',');
            clock(((LocalDateTime) value).toLocalTime(), out);
            out.append(']');
        } else if (value instanceof Year) {
            out.append(((Year) value).getValue());
        } else {
            return false;
        }
        return true;
    }

    private static void seconds(long whole, int nanos, StringBuilder out) {
        out.append(BigDecimal.valueOf(whole).add(BigDecimal.valueOf(nanos, 9)).toPlainString());
    }

    private static void clock(LocalTime t, StringBuilder out) {
        out.append(t.getHour()).append(',').append(t.getMinute());
        if (t.getSecond() != 0 || t.getNano() != 0) {
            out.append(',').append(t.getSecond());
        }
        if (t.getNano() != 0) {
            out.append(',').append(t.getNano());
        }
    }
}
