package fn;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import java.io.*;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;

/** A serializer of the function's own. */
public class Own implements CustomPojoSerializer {
    public <T> T fromJson(InputStream in, Type type) {
        try {
            return fromJson(new String(in.readAllBytes(), StandardCharsets.UTF_8), type);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @SuppressWarnings("unchecked")
    public <T> T fromJson(String text, Type type) {
        if (text.equals("0")) throw new IllegalArgumentException("no");
        return (T) ("<" + text + ">");
    }

    public <T> void toJson(T value, OutputStream out, Type type) {
        try {
            out.write((value + " " + type.getTypeName()).getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
