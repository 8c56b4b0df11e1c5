package run.wick.runtime;

import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * A Runtime API client on a bare socket: HttpURLConnection loads hundreds of classes, and a
 * response and the poll behind it would be two writes. Here they leave together. Not for several
 * threads at once.
 *
 * <p>Source: Lambda runtime API, 2018-06-01.
 */
final class Api {
    /** The API has closed the connection: the instance is going away. */
    static final class Disconnected extends IOException {
        private static final long serialVersionUID = 1;
    }

    private static final String PREFIX = "/2018-06-01/runtime/";
    /**
     * Over this the API refuses a response, and its answer has to be read before the next poll.
     * Source: Lambda quotas, invocation payload.
     */
    private static final int MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100;
    /** A longer X-Ray cause is left out, as AWS's clients do. */
    private static final int MAX_HEADER_BYTES = 1024 * 1024 - 1;

    private static final byte[] NOTHING = {};

    private final InputStream in;
    private final OutputStream out;
    private final String tail;
    private final byte[] next;
    private final byte[] buffer = new byte[64 * 1024];
    private int start;
    private int end;
    private int status;
    private Map<String, String> headers;
    private byte[] unsent = NOTHING;

    /** Speaks on a connection that is there. */
    Api(InputStream in, OutputStream out, String host) {
        this.in = in;
        this.out = out;
        tail = " HTTP/1.1\r\nHost: " + host + "\r\n";
        next = bytes("GET " + PREFIX + "invocation/next" + tail + "\r\n");
    }

    /** Connects to AWS_LAMBDA_RUNTIME_API, host:port. */
    static Api connect(String address, boolean hasNative) throws IOException {
        int colon = address.lastIndexOf(':');
        String host = address.substring(0, colon);
        int port = Integer.parseInt(address.substring(colon + 1));
        int ip = ipv4(host);
        FileDescriptor quick = new FileDescriptor(); // Java's own sockets take twenty milliseconds to be loaded
        if (hasNative && ip != 0 && Native.connect(quick, ip, port) == 0) {
            return new Api(new FileInputStream(quick), new FileOutputStream(quick), address);
        }
        Socket socket = new Socket(Proxy.NO_PROXY); // else proxies are looked for
        socket.connect(new InetSocketAddress(InetAddress.getByName(host.replace("[", "").replace("]", "")), port));
        socket.setTcpNoDelay(true);
        return new Api(socket.getInputStream(), socket.getOutputStream(), address);
    }

    /** An IPv4 address as a number, 0 for what is none. */
    private static int ipv4(String host) {
        String[] parts = host.split("\\.");
        int number = 0;
        for (String part : parts) {
            int value = number(part);
            if (value < 0 || value > 255 || parts.length != 4) {
                return 0;
            }
            number = number << 8 | value;
        }
        return number;
    }

    private static int number(String digits) {
        try {
            return Integer.parseUnsignedInt(digits);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    /** Waits until this stem is given a function; returns the JSON document. */
    String assignment() throws IOException {
        send(bytes("GET /wick/assign" + tail + "\r\n"));
        byte[] body = read();
        if (status != 200) {
            throw new IOException("the question for a function was answered with " + status);
        }
        return new String(body, StandardCharsets.UTF_8);
    }

    /** Waits for the next event. A response kept by respond leaves first. */
    Invocation next() throws IOException {
        boolean answered = unsent.length > 0;
        send(answered ? joined(unsent, next) : next);
        unsent = NOTHING;
        if (answered) {
            read();
        }
        byte[] body = read();
        if (status != 200) {
            throw new IOException("the Runtime API answered a poll with " + status);
        }
        return new Invocation(headers, body);
    }

    /**
     * Answers an invocation; leaves together with the poll that follows. Returns the status of
     * a refusal, 0 without one.
     */
    int respond(String requestId, byte[] body) throws IOException {
        unsent = message("invocation/" + requestId + "/response", "Content-Type: application/json\r\n", body);
        if (body.length <= MAX_RESPONSE_BYTES) {
            return 0;
        }
        flush();
        return status == 202 ? 0 : status;
    }

    /** Ends an invocation with an error object. */
    void fail(String requestId, byte[] body, String errorType, String xrayCause) throws IOException {
        unsent = message("invocation/" + requestId + "/error", errorHeaders(errorType, xrayCause), body);
    }

    /** Ends init as failed; returns when that is known. */
    void failInit(byte[] body, String errorType) throws IOException {
        unsent = message("init/error", errorHeaders(errorType, null), body);
        flush();
    }

    /** Sends what respond or fail kept, for when no poll will follow. */
    void flush() throws IOException {
        if (unsent.length > 0) {
            send(unsent);
            unsent = NOTHING;
            read();
        }
    }

    private void send(byte[] message) throws IOException {
        try {
            out.write(message);
        } catch (IOException e) {
            throw new Disconnected();
        }
    }

    private byte[] message(String path, String moreHeaders, byte[] body) {
        return joined(
                bytes("POST " + PREFIX + path + tail + moreHeaders + "Content-Length: " + body.length + "\r\n\r\n"), body);
    }

    private static String errorHeaders(String errorType, String xrayCause) {
        String headers = "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
        if (xrayCause != null && bytes(xrayCause).length <= MAX_HEADER_BYTES) {
            headers += "Lambda-Runtime-Function-XRay-Error-Cause: " + xrayCause + "\r\n";
        }
        return headers;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] joined(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }

    /** Reads one answer: its body, and status and headers with lower-case names. */
    private byte[] read() throws IOException {
        do { // an interim answer (100) has no body and is followed by the real one
            String[] first = line().split(" ", 3);
            if (first.length < 2 || !first[0].startsWith("HTTP/1.")) {
                throw new IOException("the Runtime API doesn't speak HTTP");
            }
            status = Integer.parseInt(first[1]);
            headers = new HashMap<>();
            for (String line = line(); !line.isEmpty(); line = line()) {
                int colon = line.indexOf(':');
                headers.put(line.substring(0, Math.max(colon, 0)).toLowerCase(), line.substring(colon + 1).trim());
            }
        } while (status < 200);
        if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            while (true) {
                int size = Integer.parseInt(line().trim(), 16);
                all.write(take(size), 0, size);
                line();
                if (size == 0) {
                    return all.toByteArray();
                }
            }
        }
        String length = headers.get("content-length");
        return length == null ? NOTHING : take(Integer.parseInt(length));
    }

    private void fill() throws IOException {
        start = 0;
        try {
            end = in.read(buffer);
        } catch (IOException e) {
            end = -1;
        }
        if (end < 0) {
            throw new Disconnected();
        }
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = null; // only when it comes in pieces
        while (true) {
            if (start == end) {
                fill();
            }
            int at = start;
            while (at < end && buffer[at] != '\n') {
                at++;
            }
            if (at < end && line == null) {
                String text = text(buffer, start, at);
                start = at + 1;
                return text;
            }
            if (line == null) {
                line = new ByteArrayOutputStream();
            }
            line.write(buffer, start, at - start);
            boolean whole = at < end;
            start = whole ? at + 1 : end;
            if (whole) {
                byte[] all = line.toByteArray();
                return text(all, 0, all.length);
            }
        }
    }

    /** A line without its carriage return. */
    private static String text(byte[] from, int start, int end) {
        if (end > start && from[end - 1] == '\r') {
            end--;
        }
        return new String(from, start, end - start, StandardCharsets.UTF_8);
    }

    private byte[] take(int length) throws IOException {
        byte[] body = new byte[length];
        int have = 0;
        while (have < length) {
            if (start == end) {
                fill();
            }
            int n = Math.min(length - have, end - start);
            System.arraycopy(buffer, start, body, have, n);
            have += n;
            start += n;
        }
        return body;
    }
}
