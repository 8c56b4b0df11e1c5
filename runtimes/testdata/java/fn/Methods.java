package fn;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Methods of every signature, and the ways they fail. */
public class Methods {
    public static class Upper implements RequestStreamHandler {
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            out.write(new String(in.readAllBytes(), StandardCharsets.UTF_8).toUpperCase().getBytes(StandardCharsets.UTF_8));
        }
    }

    public static String fixed() { return "static"; }
    public void streams(InputStream in, OutputStream out) throws IOException { out.write(in.readAllBytes()); out.write('!'); }
    public void streams3(InputStream in, OutputStream out, Context c) throws IOException { out.write(c.getFunctionName().getBytes()); }
    public String onlyContext(Context c) { return c.getAwsRequestId(); }
    public String over(String a) { return "one"; }
    public String over(String a, Context c) { return "with context"; }
    public String over(String a, String b) { return "never"; }
    public void silent(String a) {}

    public static class Ctx implements RequestHandler<Object, Object> {
        public Object handleRequest(Object e, Context c) {
            Map<String, Object> m = new LinkedHashMap<>();
            m.put("id", c.getAwsRequestId());
            m.put("name", c.getFunctionName());
            m.put("version", c.getFunctionVersion());
            m.put("arn", c.getInvokedFunctionArn());
            m.put("group", c.getLogGroupName());
            m.put("stream", c.getLogStreamName());
            m.put("memory", c.getMemoryLimitInMB());
            int left = c.getRemainingTimeInMillis();
            m.put("left", left > 1000 && left <= 60000);
            if (c.getIdentity() != null) m.put("identity", c.getIdentity().getIdentityId() + c.getIdentity().getIdentityPoolId());
            if (c.getClientContext() != null) {
                m.put("custom", c.getClientContext().getCustom());
                m.put("env", c.getClientContext().getEnvironment());
                m.put("app", c.getClientContext().getClient().getAppTitle());
            }
            m.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
            m.put("same", c.equals(c) && c.hashCode() == c.hashCode() && c.toString() != null);
            return m;
        }
    }

    public static class Fails implements RequestHandler<String, String> {
        public String handleRequest(String how, Context c) {
            switch (how) {
                case "cause": throw new IllegalStateException("outer", new IOException("inner"));
                case "nomessage": throw new IllegalArgumentException();
                case "own": throw new OwnError("mine");
                case "deep": return handleRequest(how, c);
                case "memory": byte[][] all = new byte[4096][]; for (int i = 0; i < all.length; i++) all[i] = new byte[1 << 24]; return "";
                case "exit": System.exit(3);
                case "halt": Runtime.getRuntime().halt(4);
                default: throw new RuntimeException("Error: " + how);
            }
        }
    }

    public static class OwnError extends RuntimeException {
        public OwnError(String m) { super(m); }
    }

    /** Its message is an error itself, while a thread that is no daemon works on. */
    public static class Unspeakable implements RequestHandler<String, String> {
        public String handleRequest(String how, Context c) {
            new Thread(() -> {
                try {
                    Thread.sleep(600_000);
                } catch (InterruptedException e) {
                    return;
                }
            }).start();
            throw new RuntimeException() {
                @Override
                public String getMessage() { throw new IllegalStateException("unspeakable"); }
            };
        }
    }

    public String throwing(String how) throws Exception { throw new Exception("checked"); }

    public static class BadStatic {
        static { if (true) throw new IllegalStateException("static"); }
        public String handle() { return ""; }
    }

    public static class BadConstructor implements RequestHandler<Object, Object> {
        public BadConstructor() { throw new IllegalStateException("constructed"); }
        public Object handleRequest(Object e, Context c) { return null; }
    }

    public static class NoConstructor implements RequestHandler<Object, Object> {
        public NoConstructor(int n) {}
        public Object handleRequest(Object e, Context c) { return null; }
    }

    public static class StaticExit {
        static { System.exit(7); }
        public String handle() { return ""; }
    }

    public static class NoHandler {}

    static int count;
    public int state() { return ++count; }

    public String logs(Context c) {
        LambdaLogger l = c.getLogger();
        l.log("two\nlines\n");
        System.out.println("printed");
        l.log("bytes".getBytes());
        l.log("warned", com.amazonaws.services.lambda.runtime.logging.LogLevel.WARN);
        l.log("traced", com.amazonaws.services.lambda.runtime.logging.LogLevel.TRACE);
        System.err.print("to stderr\nnext\n");
        LambdaRuntime.getLogger().log("global");
        l.log((String) null);
        return "ok";
    }

    public Object environment() throws Exception {
        Map<String, String> env = System.getenv();
        List<Object> all = new ArrayList<>();
        all.add(env.get("MINE"));
        all.add(env.get("AWS_EXECUTION_ENV"));
        all.add(env.containsKey("AWS_ACCESS_KEY"));
        all.add(env.containsKey("_X_AMZN_TRACE_ID"));
        all.add(env.containsKey("WICK_LOG_FRAMES"));
        all.add(TimeZone.getDefault().getID());
        all.add(new File("").getAbsolutePath().equals(env.get("LAMBDA_TASK_ROOT")));
        Process p = new ProcessBuilder("sh", "-c", "echo $MINE; env | grep -c WICK").start();
        all.add(new String(p.getInputStream().readAllBytes()));
        return all;
    }

    public Object memory() { return Runtime.getRuntime().maxMemory() >> 20; }

    public String resource() throws IOException {
        try (InputStream in = Thread.currentThread().getContextClassLoader().getResourceAsStream("data/file.txt")) {
            return new String(in.readAllBytes());
        }
    }
    public String large(String s) { return s.length() + s; }
}
