package com.amazonaws.services.lambda.runtime;

/** As a function's aws-lambda-java-core has it. */
public final class LambdaRuntime {
    private static volatile LambdaLogger logger;

    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return logger;
    }
}
