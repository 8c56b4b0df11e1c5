package com.amazonaws.services.lambda.runtime;

/** As a function's aws-lambda-java-core has it. */
public interface Client {
    String getInstallationId();

    String getAppTitle();

    String getAppVersionName();

    String getAppVersionCode();

    String getAppPackageName();
}
