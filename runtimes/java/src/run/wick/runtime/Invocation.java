package run.wick.runtime;

import java.util.Collections;
import java.util.Map;

/** One event and what comes with it. */
public final class Invocation {
    static final Invocation NONE = new Invocation(Collections.emptyMap(), new byte[0]);

    public final String requestId;
    public final String traceId;
    public final String functionArn;
    public final String clientContext;
    public final String cognitoIdentity;
    public final String tenantId;
    public final long deadlineMs;
    public final byte[] body;

    Invocation(Map<String, String> headers, byte[] body) {
        requestId = headers.get("lambda-runtime-aws-request-id");
        traceId = headers.get("lambda-runtime-trace-id");
        functionArn = headers.get("lambda-runtime-invoked-function-arn");
        clientContext = headers.get("lambda-runtime-client-context");
        cognitoIdentity = headers.get("lambda-runtime-cognito-identity");
        tenantId = headers.get("lambda-runtime-aws-tenant-id");
        String deadline = headers.get("lambda-runtime-deadline-ms");
        deadlineMs = deadline == null ? 0 : Long.parseLong(deadline);
        this.body = body;
    }
}
