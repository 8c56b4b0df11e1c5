package run.wick.bridge;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import run.wick.runtime.Printer;

/** What functions log with. Libraries before 1.2.3 have no levels, and never call what has one. */
final class FunctionLogger implements LambdaLogger {
    private final transient Printer printer;

    FunctionLogger(Printer printer) {
        this.printer = printer;
    }

    @Override
    public void log(String message) {
        printer.log(message, null);
    }

    @Override
    public void log(byte[] message) {
        printer.log(message, null);
    }

    @Override
    public void log(String message, LogLevel level) {
        printer.log(message, level == null ? null : level.toString());
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        printer.log(message, level == null ? null : level.toString());
    }
}
