package run.wick.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Serves events with functions of our own before there is one to serve: what a virtual machine does
 * for the first time takes it long. The functions are in a jar of their own, which no loader of a
 * function's sees.
 */
final class Rehearsal {
    private static final String[] HANDLERS = {"rehearsal.Objects", "rehearsal.Streams", "rehearsal.Beans::handle"};
    /** How often each has one. */
    private static final int EVENTS = 20;

    private Rehearsal() {}

    /** The bootstrap's folder has a lib folder, as a package has. */
    static void run(File runtime) throws IOException {
        for (String handler : HANDLERS) {
            Api api = new Api(new ByteArrayInputStream(events()), new ByteArrayOutputStream(), "wick");
            Log log = new Log(true, "TEXT", null, new ByteArrayOutputStream());
            try {
                Main.serve(api, Functions.load(handler, runtime, log), log);
            } catch (Api.Disconnected e) {
                // That were all.
            } catch (Fault fault) {
                throw new IOException(fault);
            }
        }
        Environment.trace(null);
        Thread.currentThread().setContextClassLoader(Rehearsal.class.getClassLoader());
    }

    /** What the Runtime API answers. */
    private static byte[] events() {
        String event = "{\"id\":\"x\",\"count\":1,\"parts\":[{\"id\":\"\\u00fc\",\"count\":2}],\"more\":{\"a\":[1.5,true,null]}}";
        StringBuilder all = new StringBuilder();
        for (int n = 0; n < EVENTS; n++) {
            if (n > 0) {
                all.append("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n");
            }
            all.append("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                    .append("Lambda-Runtime-Aws-Request-Id: 00000000-0000-0000-0000-000000000000\r\n")
                    .append("Lambda-Runtime-Deadline-Ms: 1\r\nLambda-Runtime-Trace-Id: Root=1-0-0\r\n")
                    .append("Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n")
                    .append("Content-Length: ").append(event.length()).append("\r\n\r\n").append(event);
        }
        return all.toString().getBytes(StandardCharsets.UTF_8);
    }
}
