package slf4j;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Logs by SLF4J, with whatever implements it in the package. */
public class Handler implements RequestHandler<Object, String> {
    private static final Logger LOG = LoggerFactory.getLogger(Handler.class);

    @Override
    public String handleRequest(Object event, Context context) {
        LOG.info("hello {}", "world");
        LOG.error("oh", new IllegalStateException("no"));
        return LOG.getClass().getName();
    }
}
