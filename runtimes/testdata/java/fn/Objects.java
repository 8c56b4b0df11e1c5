package fn;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.*;

/** Events and answers that are objects. */
public class Objects {
    public enum Color { RED, GREEN }

    /** A class with what JSON can hold. */
    public static class Order {
        private String id;
        private int count;
        private Long big;
        private double price;
        private boolean paid;
        private Boolean gift;
        private Color color;
        private List<Item> items;
        private Map<String, List<Item>> byShop;
        private Set<Integer> tags;
        private int[] numbers;
        private byte[] data;
        private BigDecimal exact;
        private Date at;
        private Instant instant;
        private LocalDate day;
        private Optional<String> note;
        private UUID uuid;
        private String secret = "hidden";
        public String open;
        private URLBox URL;

        public String getId() { return id; }
        public void setId(String id) { this.id = id; }
        public int getCount() { return count; }
        public void setCount(int count) { this.count = count; }
        public Long getBig() { return big; }
        public void setBig(Long big) { this.big = big; }
        public double getPrice() { return price; }
        public void setPrice(double price) { this.price = price; }
        public boolean isPaid() { return paid; }
        public void setPaid(boolean paid) { this.paid = paid; }
        public Boolean getGift() { return gift; }
        public void setGift(Boolean gift) { this.gift = gift; }
        public Color getColor() { return color; }
        public void setColor(Color color) { this.color = color; }
        public List<Item> getItems() { return items; }
        public void setItems(List<Item> items) { this.items = items; }
        public Map<String, List<Item>> getByShop() { return byShop; }
        public void setByShop(Map<String, List<Item>> byShop) { this.byShop = byShop; }
        public Set<Integer> getTags() { return tags; }
        public void setTags(Set<Integer> tags) { this.tags = tags; }
        public int[] getNumbers() { return numbers; }
        public void setNumbers(int[] numbers) { this.numbers = numbers; }
        public byte[] getData() { return data; }
        public void setData(byte[] data) { this.data = data; }
        public BigDecimal getExact() { return exact; }
        public void setExact(BigDecimal exact) { this.exact = exact; }
        public Date getAt() { return at; }
        public void setAt(Date at) { this.at = at; }
        public Instant getInstant() { return instant; }
        public void setInstant(Instant instant) { this.instant = instant; }
        public LocalDate getDay() { return day; }
        public void setDay(LocalDate day) { this.day = day; }
        public Optional<String> getNote() { return note; }
        public void setNote(Optional<String> note) { this.note = note; }
        public UUID getUuid() { return uuid; }
        public void setUuid(UUID uuid) { this.uuid = uuid; }
        public URLBox getURL() { return URL; }
        public void setURL(URLBox u) { this.URL = u; }
    }

    public static class URLBox { public int port; }

    public static class Item extends Base<String> {
        private int n;
        public int getN() { return n; }
        public void setN(int n) { this.n = n; }
    }

    public static class Base<T> {
        private T name;
        public T getName() { return name; }
        public void setName(T name) { this.name = name; }
    }

    public record Point(int x, Integer y, List<Point> more) {}

    public static class Echo implements RequestHandler<Object, Object> {
        public Object handleRequest(Object event, Context context) { return event; }
    }

    public static class Orders implements RequestHandler<Order, Order> {
        public Order handleRequest(Order o, Context context) {
            if (o != null && o.items != null) {
                o.items.get(0).getName().length(); // really an Item with a String
            }
            return o;
        }
    }

    public static class Points implements RequestHandler<Point, Point> {
        public Point handleRequest(Point p, Context context) { return p; }
    }

    public static abstract class Middle<I> implements RequestHandler<List<I>, Map<String, I>> {}

    public static class Generic extends Middle<Item> {
        public Map<String, Item> handleRequest(List<Item> all, Context context) {
            Map<String, Item> m = new LinkedHashMap<>();
            for (Item i : all) m.put(i.getName(), i);
            return m;
        }
    }

    public static class Raw implements RequestHandler {
        public Object handleRequest(Object event, Context context) { return event; }
    }

    public static class Nothing implements RequestHandler<Map<String, Object>, Void> {
        public Void handleRequest(Map<String, Object> e, Context context) { return null; }
    }

    public static class Self { public Self getSelf() { return this; } }
    public static class Loop { public Loop next; }
    public static class Empty {}

    public Map<String, Object> values() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("big", new BigInteger("123456789012345678901234567890"));
        m.put("nan", Double.NaN);
        m.put("float", 1.5f);
        m.put("char", 'c');
        m.put("chars", new char[] {'a', 'b'});
        m.put("none", null);
        m.put("list", Arrays.asList(1, null, "x"));
        m.put("empty", new Empty());
        m.put("date", new Date(1500L));
        m.put("instant", Instant.ofEpochSecond(1, 5));
        m.put("day", LocalDate.of(2026, 1, 2));
        m.put("time", LocalDateTime.of(2026, 1, 2, 3, 4));
        m.put("text", "\"\\\n\u0001ü\uD83D\uDE00");
        m.put("locale", Locale.GERMANY);
        return m;
    }

    public Object self() { return new Self(); }
    public Object loop() { Loop l = new Loop(); l.next = l; return l; }
    public Object circle() { List<Object> l = new ArrayList<>(); l.add(l); return l; }
    public int number(int n) { return n + 1; }
    public String text(String s) { return s + "!"; }
    public String types(Map<String, Object> m) {
        StringBuilder s = new StringBuilder();
        for (Object v : m.values()) s.append(v == null ? "null" : v.getClass().getSimpleName()).append(' ');
        return s.toString();
    }
}
