package run.wick.runtime;

import java.io.DataInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/** Defines the bridge's far end where it sees a function's types. */
final class BridgeLoader extends ClassLoader {
    private static final String PACKAGE = "run.wick.bridge.";
    /** Class files by name: a stem has read them before there is a function. */
    private static final Map<String, byte[]> READ = new HashMap<>();

    /** Where the bootstrap is. */
    static File runtime;

    private BridgeLoader(ClassLoader function) {
        super(function);
    }

    /** Returns the bridge to a function's library, null where the package has none. */
    static Bridge to(ClassLoader function) {
        try {
            return (Bridge) new BridgeLoader(function).loadClass(PACKAGE + "CoreBridge").getConstructor().newInstance();
        } catch (ReflectiveOperationException | LinkageError e) {
            return null;
        }
    }

    @Override
    protected synchronized Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!name.startsWith(PACKAGE)) {
            return super.loadClass(name, resolve);
        }
        Class<?> known = findLoadedClass(name);
        if (known != null) {
            return known;
        }
        byte[] code = read(name);
        return defineClass(name, code, 0, code.length);
    }

    private static byte[] read(String name) throws ClassNotFoundException {
        byte[] code = READ.get(name);
        if (code == null) {
            File file = new File(runtime, "classes/" + name.substring(PACKAGE.length()) + ".class");
            // A jar of its own would be found, and opened, by what takes Java long.
            code = new byte[(int) file.length()];
            try (DataInputStream in = new DataInputStream(new FileInputStream(file))) {
                in.readFully(code);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
            READ.put(name, code);
        }
        return code;
    }
}
