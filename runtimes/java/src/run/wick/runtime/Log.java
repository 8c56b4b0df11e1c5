package run.wick.runtime;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UnsupportedEncodingException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TimeZone;

/** The function's log: what LambdaLogger writes, and the standard streams. */
final class Log implements Printer {
    private static final int MAGIC = 0xa55a0003;
    /** A longer record is several. Source: CloudWatch Logs quotas, log event size. */
    private static final int MAX_FRAME_BYTES = 1 << 20;

    private static final String UNDEFINED = "UNDEFINED";
    private static final java.util.List<String> LEVELS =
            Arrays.asList(UNDEFINED, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private final boolean framed;
    private final OutputStream out;
    private final boolean json;
    private final int lowest;
    private SimpleDateFormat clock; // made when it is needed; used under the lock on this

    /** Whose record it is; null during init. */
    volatile Invocation invocation;

    /** Source: Lambda developer guide, advanced logging controls; level may be null. */
    Log(boolean framed, String format, String level, OutputStream out) {
        this.framed = framed;
        this.out = out;
        json = "JSON".equalsIgnoreCase(format);
        lowest = level == null ? 0 : LEVELS.indexOf(level.toUpperCase());
    }

    /**
     * Returns the log that a process's variables ask for, and makes the standard streams UTF-8 and
     * keep nothing back, so that it survives a kill.
     */
    static Log ofFunction(boolean framed) throws UnsupportedEncodingException {
        OutputStream out = new FileOutputStream(FileDescriptor.out);
        System.setOut(new PrintStream(out, true, "UTF-8"));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, "UTF-8"));
        return new Log(framed, System.getenv("AWS_LAMBDA_LOG_FORMAT"), System.getenv("AWS_LAMBDA_LOG_LEVEL"), out);
    }

    @Override
    public void log(String message, String level) {
        if (level == null) {
            level = UNDEFINED;
        }
        if (!enabled(level)) {
            return;
        }
        if (json) {
            record(structured(message, level));
        } else {
            record(level.equals(UNDEFINED) ? String.valueOf(message) : "[" + level + "] " + message);
        }
    }

    /** LambdaLogger.log with bytes, which are written as they are. */
    @Override
    public void log(byte[] message, String level) {
        if (enabled(level == null ? UNDEFINED : level)) {
            record(message == null ? "null".getBytes(StandardCharsets.UTF_8) : message);
        }
    }

    /** The text about an error that ended an invocation or init. */
    void fault(String text) {
        log(text, json ? "ERROR" : UNDEFINED);
    }

    /** The line that AWS's client prints when an answer isn't taken. */
    void refused(int status) {
        System.out.println("[ERROR] [" + System.currentTimeMillis()
                + "] LAMBDA_RUNTIME Failed to post handler success response. Http response code: " + status + ".");
    }

    private boolean enabled(String level) {
        return level.equals(UNDEFINED) || LEVELS.indexOf(level) >= lowest;
    }

    /** Source: Lambda advanced logging controls. */
    private String structured(String message, String level) {
        Map<String, Object> entry = new LinkedHashMap<>();
        synchronized (this) {
            if (clock == null) {
                clock = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");
                clock.setTimeZone(TimeZone.getTimeZone("UTC"));
            }
            entry.put("timestamp", clock.format(new Date()));
        }
        if (message != null) {
            entry.put("message", message);
        }
        entry.put("level", level);
        Invocation current = invocation;
        if (current != null) {
            entry.put("AWSRequestId", current.requestId);
            if (current.tenantId != null) {
                entry.put("tenantId", current.tenantId);
            }
        }
        return Json.write(entry) + "\n";
    }

    private void record(String text) {
        record(text.getBytes(StandardCharsets.UTF_8));
    }

    private synchronized void record(byte[] text) {
        try {
            if (!framed) {
                out.write(text);
                return;
            }
            int length = text.length > 0 && text[text.length - 1] == '\n' ? text.length - 1 : text.length;
            long now = System.currentTimeMillis() * 1000;
            int start = 0;
            do {
                int part = Math.min(MAX_FRAME_BYTES, length - start);
                ByteBuffer frame = ByteBuffer.allocate(16 + part);
                frame.putInt(MAGIC).putInt(part).putLong(now).put(text, start, part);
                out.write(frame.array());
                start += part;
            } while (start < length);
        } catch (IOException e) {
            // Nobody reads the log any more: the instance is going away.
        }
    }
}
