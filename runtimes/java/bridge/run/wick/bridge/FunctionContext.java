package run.wick.bridge;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import run.wick.runtime.Invocation;

/** An invocation's context. Newer libraries ask for more than older ones do. */
final class FunctionContext implements Context {
    private final Invocation event;
    private final LambdaLogger logger;
    private final CognitoIdentity identity;
    private final ClientContext client;

    FunctionContext(Invocation event, LambdaLogger logger, CognitoIdentity identity, ClientContext client) {
        this.event = event;
        this.logger = logger;
        this.identity = identity;
        this.client = client;
    }

    @Override
    public String getAwsRequestId() {
        return event.requestId;
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return event.functionArn;
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return client;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) Math.max(event.deadlineMs - System.currentTimeMillis(), 0);
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return logger;
    }

    @Override
    public String getTenantId() {
        return event.tenantId;
    }

    @Override
    public String getXrayTraceId() {
        return event.traceId;
    }
}
