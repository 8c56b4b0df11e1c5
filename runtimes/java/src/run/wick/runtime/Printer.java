package run.wick.runtime;

/** Where log messages go; level is null where none is given. */
public interface Printer {
    void log(String message, String level);

    void log(byte[] message, String level);
}
