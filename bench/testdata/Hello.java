import java.util.Map;

/** The function in Java; run by itself it only starts and says hello. */
public class Hello {
  public Map<String, String> handle(Map<String, String> event) {
    return Map.of("hello", event.get("name"));
  }

  public static void main(String[] arguments) {
    System.out.println("hello");
  }
}
