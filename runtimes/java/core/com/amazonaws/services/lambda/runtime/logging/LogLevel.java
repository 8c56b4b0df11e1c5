package com.amazonaws.services.lambda.runtime.logging;

/** As a function's aws-lambda-java-core has it. */
public enum LogLevel {
    UNDEFINED,
    TRACE,
    DEBUG,
    INFO,
    WARN,
    ERROR,
    FATAL
}
