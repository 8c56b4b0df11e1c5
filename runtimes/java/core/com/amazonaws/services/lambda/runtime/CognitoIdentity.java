package com.amazonaws.services.lambda.runtime;

/** As a function's aws-lambda-java-core has it. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
