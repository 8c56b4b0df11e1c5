package run.wick.runtime;

import java.io.File;
import java.io.IOError;
import java.io.IOException;

/**
 * The Java runtime: what /var/lang/bin/java starts in an instance. It loads the function named by
 * _HANDLER, asks the Runtime API for events, and answers them.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        // Variables would be seen by child processes: those of Java inherit what C has.
        boolean framed = args.length > 0 && args[0].equals("framed");
        String library = args.length > 1 ? args[1] : null; // a stem's
        Api api = library == null ? Api.connect(System.getenv("AWS_LAMBDA_RUNTIME_API")) : Stem.await(library);
        Environment.addFormerNames();
        Log log = Log.ofFunction(framed);
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
            api.respond(event.requestId, answer);
        }
        api.flush();
        System.exit(0);
    }
}
