package run.wick.runtime;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;
import java.util.Map;

/**
 * What the runtime does with AWS's types, which it doesn't know: they come from the function's
 * package. Whoever implements this is defined beside them at run time, by {@link BridgeLoader}. That
 * is many times faster than java.lang.reflect.Proxy, and there are no frames of its in a trace.
 */
public interface Bridge {
    /** Returns a LambdaLogger. */
    Object logger(Printer printer);

    /** Returns a Context; identity and client are what came as JSON, or null. */
    Object context(Invocation event, Object logger, Map<?, ?> identity, Map<?, ?> client);

    /** Calls a RequestHandler. */
    Object handle(Object handler, Object event, Object context) throws Throwable;

    /** Calls a RequestStreamHandler. */
    void handle(Object handler, InputStream in, OutputStream out, Object context) throws Throwable;

    /** Calls a CustomPojoSerializer's fromJson. */
    Object read(Object serializer, InputStream text, Type type) throws Throwable;

    /** Calls a CustomPojoSerializer's toJson. */
    void write(Object serializer, Object value, OutputStream text, Type type) throws Throwable;
}
