package run.wick.runtime;

import java.io.File;
import java.io.FileDescriptor;

/**
 * What Java has no way to do to its own process, or takes long to: see native/process.c. Each
 * returns 0 or a negative errno.
 */
final class Native {
    private Native() {}

    /** Says whether there is a library for this machine, loaded from the bootstrap's folder. */
    static boolean load(File runtime) {
        String machine = System.getProperty("os.arch");
        try {
            System.load(new File(runtime, "wick-native-" + (machine.equals("aarch64") ? "arm64" : machine) + ".so").getPath());
            return true;
        } catch (UnsatisfiedLinkError e) {
            return false;
        }
    }

    /** Makes a descriptor of one that the process has inherited, and keeps it from child processes. */
    static native int open(FileDescriptor descriptor, int number);

    /** Makes a descriptor of a socket connected to an IPv4 address. */
    static native int connect(FileDescriptor descriptor, int address, int port);

    /** Gives the process other variables (NAME=VALUE and a zero, each) and another folder (and a zero). */
    static native int become(byte[] variables, byte[] dir);
}
