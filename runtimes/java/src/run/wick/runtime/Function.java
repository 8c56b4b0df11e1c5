package run.wick.runtime;

/** A loaded function: an event in, the bytes of its answer out. */
interface Function {
    byte[] call(Invocation event) throws Throwable;
}
