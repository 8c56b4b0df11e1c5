package run.wick.runtime;

import java.lang.reflect.Field;
import java.util.Map;

/** What changes in a process's variables after its start. */
final class Environment {
    /** Where X-Ray's SDK looks. Source: aws-xray-sdk-java, LambdaSegmentContext. */
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    private static final String TRACE_VARIABLE = "_X_AMZN_TRACE_ID";

    /** Java 11's runtime and the ones before have some variables that later ones don't. */
    private static boolean former;

    private Environment() {}

    /** Adds the credentials under the names that the first AWS SDK for Java had for them. */
    static void addFormerNames() {
        String runtime = System.getenv("AWS_EXECUTION_ENV");
        former = runtime != null && (runtime.startsWith("AWS_Lambda_java8") || runtime.equals("AWS_Lambda_java11"));
        if (former) {
            change("AWS_ACCESS_KEY", System.getenv("AWS_ACCESS_KEY_ID"));
            change("AWS_SECRET_KEY", System.getenv("AWS_SECRET_ACCESS_KEY"));
        }
    }

    /** Tells the invocation's trace, null for none. */
    static void trace(String id) {
        if (id == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, id);
        }
        if (former) {
            change(TRACE_VARIABLE, id);
        }
    }

    /**
     * Changes what System.getenv returns. Java has no way to, so it goes through the class's own
     * map, which the command line opens; where it is closed the variable stays as it was.
     */
    @SuppressWarnings("unchecked")
    private static void change(String name, String value) {
        try {
            Field visible = Class.forName("java.lang.ProcessEnvironment").getDeclaredField("theUnmodifiableEnvironment");
            visible.setAccessible(true);
            Field inner = Class.forName("java.util.Collections$UnmodifiableMap").getDeclaredField("m");
            inner.setAccessible(true);
            Map<String, String> variables = (Map<String, String>) inner.get(visible.get(null));
            if (value == null) {
                variables.remove(name);
            } else {
                variables.put(name, value);
            }
        } catch (ReflectiveOperationException | RuntimeException e) {
            // Started by a wrapper without those options.
        }
    }
}
