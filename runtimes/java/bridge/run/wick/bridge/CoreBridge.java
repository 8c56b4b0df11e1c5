package run.wick.bridge;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;
import java.util.Map;
import run.wick.runtime.Bridge;
import run.wick.runtime.Invocation;
import run.wick.runtime.Printer;

/** The bridge's far end, in terms of the function's own aws-lambda-java-core. */
public final class CoreBridge implements Bridge {
    @Override
    public Object logger(Printer printer) {
        return new FunctionLogger(printer);
    }

    @Override
    public Object context(Invocation event, Object logger, Map<?, ?> identity, Map<?, ?> client) {
        return new FunctionContext(event, (LambdaLogger) logger,
                identity == null ? null : new Identity(identity), client == null ? null : new CallerContext(client));
    }

    @Override
    @SuppressWarnings("unchecked")
    public Object handle(Object handler, Object event, Object context) {
        return ((RequestHandler<Object, Object>) handler).handleRequest(event, (Context) context);
    }

    @Override
    public void handle(Object handler, InputStream in, OutputStream out, Object context) throws Throwable {
        ((RequestStreamHandler) handler).handleRequest(in, out, (Context) context);
    }

    @Override
    public Object read(Object serializer, InputStream text, Type type) {
        return ((CustomPojoSerializer) serializer).fromJson(text, type);
    }

    @Override
    public void write(Object serializer, Object value, OutputStream text, Type type) {
        ((CustomPojoSerializer) serializer).toJson(value, text, type);
    }
}
