// What a handler is told about its invocation.
// Source: Lambda developer guide, Node.js context object.

// environmentFields are the context's members that never change.
export function environmentFields() {
  const { env } = process;
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

// invocationFields are those that come with each event. unreadable makes the error for a
// header, of a name, that is no JSON.
export function invocationFields(headers, unreadable) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const parse = (name) => {
    try {
      return headers[name] ? JSON.parse(headers[name]) : undefined;
    } catch (err) {
      throw unreadable(name, err);
    }
  };
  return {
    clientContext: parse("lambda-runtime-client-context"),
    identity: parse("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis() {
      return deadline - Date.now();
    },
  };
}

// exportTrace puts the trace ID where the X-Ray SDK looks for it.
export function exportTrace(headers) {
  const trace = headers["lambda-runtime-trace-id"];
  if (trace) {
    process.env._X_AMZN_TRACE_ID = trace;
  } else {
    delete process.env._X_AMZN_TRACE_ID;
  }
}

