package com.amazonaws.services.lambda.runtime;

/** As a function's aws-lambda-java-core has it. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
