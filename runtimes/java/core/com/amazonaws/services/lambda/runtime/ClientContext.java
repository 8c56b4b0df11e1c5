package com.amazonaws.services.lambda.runtime;

import java.util.Map;

/** As a function's aws-lambda-java-core has it. */
public interface ClientContext {
    Client getClient();

    Map<String, String> getCustom();

    Map<String, String> getEnvironment();
}
