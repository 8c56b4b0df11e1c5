package log4j;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/** Logs by log4j with AWS's appender. */
public class Handler implements RequestHandler<Object, String> {
    private static final Logger LOG = LogManager.getLogger(Handler.class);

    public Handler() {
        LOG.info("in the constructor");
    }

    @Override
    public String handleRequest(Object event, Context context) {
        LOG.debug("hidden");
        LOG.info("hello {}", "world");
        LOG.error("oh", new IllegalStateException("no"));
        context.getLogger().log("by the logger\n");
        return "done";
    }
}
