package rehearsal;

import com.amazonaws.services.lambda.runtime.Context;
import java.util.List;

/** A method of objects of its own class. */
public final class Beans {
    /** An event and an answer. */
    public static final class Order {
        private String id;
        private int count;
        private List<Order> parts;

        public String getId() {
            return id;
        }

        public void setId(String id) {
            this.id = id;
        }

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }

        public List<Order> getParts() {
            return parts;
        }

        public void setParts(List<Order> parts) {
            this.parts = parts;
        }
    }

    public Order handle(Order order, Context context) {
        return order;
    }
}
