package run.wick.runtime;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A class as JSON sees it: properties by public getters and fields when it is written, by setters
 * of any visibility and public fields when it is read. A record's are its components.
 */
final class Bean {
    /** One property; what it lacks is null. */
    static final class Property {
        final String name;
        String written; // the name in JSON
        Method getter;
        Method setter;
        Field field;

        Property(String name) {
            this.name = name;
            written = name;
        }

        boolean readable() {
            return getter != null || field != null;
        }

        Object get(Object of) throws ReflectiveOperationException {
            return getter != null ? getter.invoke(of) : field.get(of);
        }

        Type type() {
            return setter != null ? setter.getGenericParameterTypes()[0] : field.getGenericType();
        }

        void set(Object of, Object value) throws ReflectiveOperationException {
            if (setter != null) {
                setter.invoke(of, value);
            } else {
                field.set(of, value);
            }
        }
    }

    private static final Map<Class<?>, Bean> KNOWN = new ConcurrentHashMap<>();

    private final Class<?> type;
    private final Map<String, Property> properties = new LinkedHashMap<>();
    private final Map<String, Property> writable = new LinkedHashMap<>();
    final boolean event;
    /** A record's components, or the fields a constructor without names takes; null for others. */
    final List<Type> components;
    final List<String> componentNames;
    private final Constructor<?> constructor;

    static Bean of(Class<?> type) {
        Bean bean = KNOWN.get(type);
        if (bean == null) {
            bean = new Bean(type);
            KNOWN.put(type, bean);
        }
        return bean;
    }

    private Bean(Class<?> type) {
        this.type = type;
        event = EventNames.isEvent(type);
        List<Type> types = null;
        List<String> names = null;
        Constructor<?> found = null;
        Class<?> parent = type.getSuperclass();
        if (parent != null && parent.getName().equals("java.lang.Record")) {
            types = new ArrayList<>();
            names = new ArrayList<>();
            found = record(types, names);
        } else {
            addFields(type);
            addMethods();
            if (event && !settable()) {
                types = new ArrayList<>();
                names = new ArrayList<>();
                found = ofFields(types, names);
            }
            if (found == null) {
                types = null;
                found = withoutParameters();
            }
        }
        constructor = found;
        components = types != null && found != null ? types : null;
        componentNames = names;
        if (event) {
            rename();
        }
        for (Iterator<Property> all = properties.values().iterator(); all.hasNext(); ) {
            Property p = all.next();
            if (p.field != null && !Modifier.isPublic(p.field.getModifiers())) {
                p.field = null; // only for the order
            }
            if (p.setter != null || p.field != null) {
                writable.put(key(p.written), p);
            }
            if (!p.readable()) {
                all.remove();
            }
        }
    }

    private void rename() {
        for (Property p : new ArrayList<>(properties.values())) {
            p.written = EventNames.usual(type, p.name);
            String given = EventNames.of(type, p.name);
            if (given != null) {
                p.written = given;
                properties.remove(p.name);
                properties.put(p.name, p); // behind the others
            }
        }
    }

    private static <T extends java.lang.reflect.AccessibleObject> T open(T member) {
        try {
            member.setAccessible(true);
        } catch (RuntimeException e) {
            // Of a module that is closed: usable if it is public.
        }
        return member;
    }

    private Property property(String name) {
        Property p = properties.get(name);
        if (p == null) {
            p = new Property(name);
            properties.put(name, p);
        }
        return p;
    }

    /** Fields are in the order they are written in; a parent's come first. */
    private void addFields(Class<?> of) {
        if (of == null || of == Object.class) {
            return;
        }
        addFields(of.getSuperclass());
        for (Field f : of.getDeclaredFields()) {
            int m = f.getModifiers();
            if (!Modifier.isStatic(m) && !Modifier.isTransient(m) && !f.isSynthetic()) {
                property(f.getName()).field = open(f);
            }
        }
    }

    private void addMethods() {
        for (Method m : type.getMethods()) {
            String name = m.getName();
            if (Modifier.isStatic(m.getModifiers()) || m.isBridge() || m.getDeclaringClass() == Object.class
                    || m.getParameterCount() > 0 || m.getReturnType() == void.class) {
                continue;
            }
            if (name.startsWith("get") && name.length() > 3) {
                property(decapitalized(name.substring(3))).getter = open(m);
            } else if (name.startsWith("is") && name.length() > 2
                    && (m.getReturnType() == boolean.class || m.getReturnType() == Boolean.class)) {
                Property p = property(decapitalized(name.substring(2)));
                if (p.getter == null) {
                    p.getter = open(m);
                }
            }
        }
        for (Class<?> c = type; c != null && c != Object.class; c = c.getSuperclass()) {
            for (Method m : c.getDeclaredMethods()) {
                if (m.getName().startsWith("set") && m.getName().length() > 3 && m.getParameterCount() == 1
                        && !m.isBridge() && !Modifier.isStatic(m.getModifiers())) {
                    Property p = property(decapitalized(m.getName().substring(3)));
                    if (p.setter == null || better(p, m)) {
                        p.setter = open(m);
                    }
                }
            }
        }
    }

    /** Of several setters the one that takes what the getter returns. */
    private static boolean better(Property p, Method m) {
        return p.getter != null && p.setter.getDeclaringClass() == m.getDeclaringClass()
                && m.getParameterTypes()[0] == p.getter.getReturnType();
    }

    /** As java.beans has it: URL stays URL. */
    private static String decapitalized(String name) {
        if (name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1))) {
            return name;
        }
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    /** Java 16's records, as Java 8 can ask for them. */
    private Constructor<?> record(List<Type> types, List<String> names) {
        try {
            Object[] all = (Object[]) Class.class.getMethod("getRecordComponents").invoke(type);
            Class<?>[] raw = new Class<?>[all.length];
            for (int i = 0; i < all.length; i++) {
                Class<?> component = all[i].getClass();
                String name = (String) component.getMethod("getName").invoke(all[i]);
                names.add(name);
                types.add((Type) component.getMethod("getGenericType").invoke(all[i]));
                raw[i] = (Class<?>) component.getMethod("getType").invoke(all[i]);
                property(name).getter = open((Method) component.getMethod("getAccessor").invoke(all[i]));
            }
            return open(type.getDeclaredConstructor(raw));
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private Constructor<?> withoutParameters() {
        try {
            // A class inside another, not static, takes an object of that.
            return open(isInner() ? type.getDeclaredConstructor(type.getDeclaringClass()) : type.getDeclaredConstructor());
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    private boolean isInner() {
        return type.getDeclaringClass() != null && !Modifier.isStatic(type.getModifiers());
    }

    /** Says whether values are made with an object of a class that this one is inside of. */
    boolean isInside(Class<?> outer) {
        return isInner() && type.getDeclaringClass() == outer;
    }

    private boolean settable() {
        for (Property p : properties.values()) {
            if (p.setter != null) {
                return true;
            }
        }
        return false;
    }

    /** The constructor that takes the fields in their order, as the immutable event types have it. */
    private Constructor<?> ofFields(List<Type> types, List<String> names) {
        List<Field> fields = new ArrayList<>();
        for (Property p : properties.values()) {
            if (p.field != null) {
                fields.add(p.field);
            }
        }
        Constructor<?> best = null;
        for (Constructor<?> c : type.getDeclaredConstructors()) {
            int n = c.getParameterCount();
            boolean fits = n > 0 && n <= fields.size() && (best == null || n > best.getParameterCount());
            for (int i = 0; fits && i < n; i++) {
                // A date is given as the text it is made of.
                Class<?> wanted = c.getParameterTypes()[i];
                fits = wanted == fields.get(i).getType() || wanted == String.class;
            }
            if (fits) {
                best = c;
            }
        }
        if (best == null) {
            return null;
        }
        for (int i = 0; i < best.getParameterCount(); i++) {
            types.add(best.getGenericParameterTypes()[i]);
            names.add(fields.get(i).getName());
        }
        return open(best);
    }

    Object make(Object... values) throws ReflectiveOperationException {
        if (constructor == null || constructor.getParameterCount() != values.length) {
            throw new InstantiationException("Cannot construct instance of `" + type.getName()
                    + "` (no Creators, like default constructor, exist)");
        }
        return constructor.newInstance(values);
    }

    Collection<Property> readable() {
        return properties.values();
    }

    /** The property a name is read into, null for none. */
    Property writable(String name) {
        return writable.get(key(name));
    }

    /** An event's names differ in case and hyphens: Records, eventSourceARN, detail-type, x-amz-id-2. */
    String key(String name) {
        return event ? name.replace("-", "").toLowerCase(Locale.ROOT) : name;
    }
}
