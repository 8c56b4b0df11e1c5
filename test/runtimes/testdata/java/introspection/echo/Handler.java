package echo;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        Map<String, Object> ctx = new LinkedHashMap<>();
        ctx.put("aws_request_id", context.getAwsRequestId());
        ctx.put("function_name", context.getFunctionName());
        ctx.put("function_version", context.getFunctionVersion());
        ctx.put("invoked_function_arn", context.getInvokedFunctionArn());
        ctx.put("log_group_name", context.getLogGroupName());
        ctx.put("log_stream_name", context.getLogStreamName());
        ctx.put("memory_limit_in_mb", String.valueOf(context.getMemoryLimitInMB()));
        ctx.put("remaining_time_in_millis", context.getRemainingTimeInMillis());
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("environment", System.getenv());
        all.put("packages", Collections.emptyList());
        all.put("ctx", ctx);
        return all;
    }
}
