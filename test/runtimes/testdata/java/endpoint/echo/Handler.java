package echo;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Lists SQS queues at AWS_ENDPOINT_URL with a request it signs itself. */
public class Handler implements RequestHandler<Object, String> {
    @Override
    public String handleRequest(Object event, Context context) {
        try {
            return call(System.getenv()) ? "ok" : "no";
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean call(Map<String, String> env) throws Exception {
        SimpleDateFormat clock = new SimpleDateFormat("yyyyMMdd'T'HHmmss'Z'");
        clock.setTimeZone(TimeZone.getTimeZone("UTC"));
        String now = clock.format(new Date());
        URL url = new URL(env.get("AWS_ENDPOINT_URL") + "/");
        Map<String, String> headers = new TreeMap<>();
        headers.put("content-type", "application/x-amz-json-1.0");
        headers.put("host", url.getAuthority());
        headers.put("x-amz-date", now);
        headers.put("x-amz-security-token", env.get("AWS_SESSION_TOKEN"));
        headers.put("x-amz-target", "AmazonSQS.ListQueues");
        String names = String.join(";", headers.keySet());
        StringBuilder request = new StringBuilder("POST\n/\n\n");
        for (Map.Entry<String, String> h : headers.entrySet()) {
            request.append(h.getKey()).append(':').append(h.getValue()).append('\n');
        }
        request.append('\n').append(names).append('\n').append(sha256("{}"));
        String scope = now.substring(0, 8) + "/" + env.get("AWS_REGION") + "/sqs/aws4_request";
        byte[] key = ("AWS4" + env.get("AWS_SECRET_ACCESS_KEY")).getBytes(StandardCharsets.UTF_8);
        for (String part : scope.split("/")) {
            key = sign(key, part);
        }
        String signature = hex(sign(key, "AWS4-HMAC-SHA256\n" + now + "\n" + scope + "\n" + sha256(request.toString())));
        HttpURLConnection c = (HttpURLConnection) url.openConnection();
        c.setDoOutput(true);
        for (Map.Entry<String, String> h : headers.entrySet()) {
            c.setRequestProperty(h.getKey(), h.getValue());
        }
        c.setRequestProperty("authorization", "AWS4-HMAC-SHA256 Credential=" + env.get("AWS_ACCESS_KEY_ID") + "/" + scope
                + ", SignedHeaders=" + names + ", Signature=" + signature);
        c.getOutputStream().write("{}".getBytes(StandardCharsets.UTF_8));
        byte[] answer = new byte[16];
        try (InputStream in = c.getInputStream()) {
            return new String(answer, 0, Math.max(in.read(answer), 0), StandardCharsets.UTF_8).equals("{}");
        }
    }

    private static byte[] sign(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String sha256(String text) throws Exception {
        return hex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static String hex(byte[] bytes) {
        StringBuilder s = new StringBuilder();
        for (byte b : bytes) {
            s.append(String.format("%02x", b));
        }
        return s.toString();
    }
}
