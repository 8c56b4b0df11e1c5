package mingled;

import java.util.Collections;
import java.util.Map;

public class Handler {
    public Map<String, String> handle(Map<String, String> event) throws InterruptedException {
        String id = event.get("id");
        System.out.println("doing " + id);
        Thread.sleep((long) (Math.random() * 5));
        switch (event.get("what")) {
            case "fail":
                throw new IllegalStateException(id);
            case "exit":
                Runtime.getRuntime().halt(3);
                break;
            case "sleep":
                Thread.sleep(60_000);
                break;
            default:
                break;
        }
        return Collections.singletonMap("id", id);
    }
}
