package run.wick.runtime;

import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * A virtual machine that was started before there was a function for it. It readies itself, asks
 * which function it serves on a socket it has inherited, and becomes that function's runtime.
 *
 * <p>Nobody may have looked at the process's variables before: Java reads them once, when
 * System.getenv is first called. Until {@link #become} has changed them they are the stem's.
 */
final class Stem {
    private static final int DESCRIPTOR = 3;

    private Stem() {}

    /** Waits for a function and returns the Runtime API's client. */
    static Api await(File runtime) throws IOException {
        FileDescriptor socket = new FileDescriptor();
        check("take over a descriptor", Native.open(socket, DESCRIPTOR));
        Api api = new Api(new FileInputStream(socket), new FileOutputStream(socket), "wick");
        Rehearsal.run(runtime);
        become((Map<?, ?>) ((Map<?, ?>) Json.read(api.assignment())).get("env"));
        return api;
    }

    private static void become(Map<?, ?> variables) throws IOException {
        StringBuilder all = new StringBuilder();
        for (Map.Entry<?, ?> variable : variables.entrySet()) {
            all.append(variable.getKey()).append('=').append(variable.getValue()).append('\0');
        }
        byte[] dir = (variables.get("LAMBDA_TASK_ROOT") + "\0").getBytes(StandardCharsets.UTF_8);
        check("become a function", Native.become(all.toString().getBytes(StandardCharsets.UTF_8), dir));
    }

    private static void check(String what, int errno) throws IOException {
        if (errno != 0) {
            throw new IOException("can't " + what + ": error " + -errno);
        }
    }
}
