package run.wick.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What is told of an error to the invoker, the log and X-Ray. Thrown, it is an error in how the
 * function was made (no such class, no such method), of which no trace is shown.
 */
final class Fault extends Exception {
    private static final long serialVersionUID = 1;

    /** Types for the platform. */
    static final String BAD_CODE = "Runtime.BadFunctionCode";

    static final String USER_EXCEPTION = "Runtime.UserException";

    private static final String OURS = "run.wick.";

    private final String type;
    private final transient Throwable error;
    private final boolean withTrace;
    /** Ends the process during init, rather than failing every invocation. */
    final boolean fatal;

    private Fault(String message, Throwable error, boolean withTrace, boolean fatal) {
        this(message, error, withTrace, fatal, error == null ? null : error.getClass().getName());
    }

    private Fault(String message, Throwable error, boolean withTrace, boolean fatal, String type) {
        super(message, null, false, false);
        this.type = type;
        this.error = error;
        this.withTrace = withTrace;
        this.fatal = fatal;
    }

    /** What a function threw. */
    static Fault of(Throwable t) {
        return new Fault(messageOf(t), withoutUs(t), true, false);
    }

    /** That the API doesn't take an answer, by the name it has in AWS's client. */
    static Fault refused(int status) {
        final String type = "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.LambdaRuntimeClientException";
        Throwable error = new Throwable("Failed to post invocation response. Response code: '" + status + "'.", null, false, false) {
            private static final long serialVersionUID = 1;

            @Override
            public String toString() {
                return type + ": " + getMessage();
            }
        };
        return new Fault(error.getMessage(), error, true, false, type);
    }

    /** A mistake in how the function is made, described by us. */
    static Fault mistake(String message) {
        return new Fault(message, null, false, false);
    }

    /** The same with the error that showed it. */
    static Fault mistake(String message, Throwable t, boolean fatal) {
        return new Fault(message, withoutUs(t), false, fatal);
    }

    /** What a constructor threw. */
    static Fault inConstructor(Throwable t) {
        return new Fault(messageOf(t), withoutUs(t), false, true);
    }

    static String messageOf(Throwable t) {
        String message = t.getLocalizedMessage();
        return message == null ? t.getClass().getName() : message;
    }

    /** The error object. */
    byte[] toJson() {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("errorMessage", getMessage());
        if (type != null) {
            object.put("errorType", type);
        }
        if (withTrace) {
            List<Object> lines = new ArrayList<>();
            for (StackTraceElement frame : error.getStackTrace()) {
                lines.add(frame.toString());
            }
            object.put("stackTrace", lines);
        }
        return Json.write(object).getBytes(StandardCharsets.UTF_8);
    }

    /** The log's text. */
    String describe() {
        if (error == null) {
            return getMessage() + "\n";
        }
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace));
        return getMessage() + ": " + type + "\n" + trace + "\n";
    }

    /** Source: X-Ray segment documents, errors and exceptions. */
    String xrayCause() {
        List<Object> stack = new ArrayList<>();
        Map<Object, Object> paths = new LinkedHashMap<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            String file = frame.getFileName();
            if (file == null) {
                file = frame.getClassName().substring(frame.getClassName().lastIndexOf('.') + 1) + ".java";
            }
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("label", frame.getMethodName());
            entry.put("path", file);
            entry.put("line", frame.getLineNumber());
            stack.add(entry);
            paths.put(file, file);
        }
        Map<String, Object> exception = new LinkedHashMap<>();
        if (error.getMessage() != null) {
            exception.put("message", error.getMessage());
        }
        exception.put("type", type);
        exception.put("stack", stack);
        Map<String, Object> cause = new LinkedHashMap<>();
        cause.put("working_directory", System.getProperty("user.dir"));
        cause.put("exceptions", Collections.singletonList(exception));
        cause.put("paths", new ArrayList<>(paths.values()));
        return Json.write(cause);
    }

    /** Cuts traces off where our own code begins. */
    static Throwable withoutUs(Throwable t) {
        cut(t, Collections.newSetFromMap(new IdentityHashMap<Throwable, Boolean>()));
        return t;
    }

    private static void cut(Throwable t, Set<Throwable> seen) {
        if (t == null || !seen.add(t)) {
            return;
        }
        StackTraceElement[] trace = t.getStackTrace();
        for (int i = 0; i < trace.length; i++) {
            if (trace[i].getClassName().startsWith(OURS)) {
                t.setStackTrace(Arrays.copyOf(trace, i));
                break;
            }
        }
        cut(t.getCause(), seen);
        for (Throwable suppressed : t.getSuppressed()) {
            cut(suppressed, seen);
        }
    }
}
