package run.wick.runtime;

import java.io.File;
import java.io.IOError;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/**
 * The Java runtime: what /var/lang/bin/java starts in an instance. It loads the function named by
 * _HANDLER, asks the Runtime API for events, and answers them.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        // How it was started, whose variables child processes would see: those of Java inherit
        // what C has. First is the bootstrap's folder.
        File runtime = new File(args[0]);
        List<String> how = Arrays.asList(args);
        boolean hasNative = Native.load(runtime);
        BridgeLoader.runtime = runtime;
        if (how.contains("rehearse")) {
            rehearse(runtime);
            return;
        }
        Api api;
        try {
            api = how.contains("stem") ? Stem.await(runtime) : Api.connect(System.getenv("AWS_LAMBDA_RUNTIME_API"), hasNative);
        } catch (Api.Disconnected e) {
            System.exit(0); // a stem nobody needs
            return;
        }
        Environment.addFormerNames();
        Log log = Log.ofFunction(how.contains("framed"));
        try {
            serve(api, Functions.load(System.getenv("_HANDLER"), new File(System.getenv("LAMBDA_TASK_ROOT")), log), log);
        } catch (Fault fault) {
            log.fault(fault.describe());
            api.failInit(fault.toJson(), Fault.BAD_CODE);
            System.exit(1);
        } catch (Api.Disconnected e) {
            Runtime.getRuntime().halt(1); // the instance is going away
        } catch (Throwable t) {
            // Such as an error whose message can't be asked for. Threads that the function has
            // started would keep a process alive that answers nothing.
            t.printStackTrace();
            System.exit(1);
        }
    }

    /** Loads what a start loads, so that it can be archived. */
    private static void rehearse(File runtime) throws Exception {
        Class.forName(Stem.class.getName());
        Class.forName(Environment.class.getName());
        System.getenv("_HANDLER");
        Rehearsal.run(runtime);
        Log.ofFunction(true);
    }

    /** Serves events until the connection or the virtual machine is of no use any more. */
    static void serve(Api api, Function function, Log log) throws IOException, Fault {
        boolean go = true;
        while (go) {
            Invocation event = api.next();
            log.invocation = event;
            Environment.trace(event.traceId);
            byte[] answer;
            try {
                answer = function.call(event);
            } catch (Fault fault) {
                api.fail(event.requestId, fault.toJson(), Fault.BAD_CODE, null);
                log.fault(fault.describe());
                continue;
            } catch (Throwable t) {
                Fault fault = Fault.of(t);
                api.fail(event.requestId, fault.toJson(), Fault.USER_EXCEPTION, fault.xrayCause());
                log.fault(fault.describe());
                // After these the virtual machine can't be trusted; AWS's client ends, too.
                go = !(t instanceof VirtualMachineError || t instanceof IOError);
                continue;
            } finally {
                Thread.interrupted(); // the function's, if it was set
            }
            int refused = api.respond(event.requestId, answer);
            if (refused != 0) {
                log.refused(refused);
                Fault fault = Fault.refused(refused);
                api.fail(event.requestId, fault.toJson(), Fault.USER_EXCEPTION, fault.xrayCause());
                log.fault(fault.describe());
            }
        }
        api.flush();
        System.exit(0);
    }
}
