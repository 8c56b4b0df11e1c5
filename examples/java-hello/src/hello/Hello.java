package hello;

/** Needs no library: wick deploy compiles it with javac, and any public method can be a handler. */
public class Hello {
    public record Event(String name) {}

    public record Greeting(String message, String from) {}

    public Greeting handler(Event event) {
        String name = event.name() == null ? "world" : event.name();
        System.out.println("greeting " + name);
        return new Greeting("Hello, " + name + "!", "Java " + System.getProperty("java.version"));
    }
}
