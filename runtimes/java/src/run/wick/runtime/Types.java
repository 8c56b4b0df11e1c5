package run.wick.runtime;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.lang.reflect.Array;
import java.util.HashMap;
import java.util.Map;

/** Generic types, taken apart. */
final class Types {
    private Types() {}

    /** The class of a type's values, a variable's being its bound's. */
    static Class<?> raw(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return raw(((ParameterizedType) type).getRawType());
        }
        if (type instanceof GenericArrayType) {
            return Array.newInstance(raw(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
        }
        if (type instanceof WildcardType) {
            return raw(((WildcardType) type).getUpperBounds()[0]);
        }
        return raw(((TypeVariable<?>) type).getBounds()[0]);
    }

    /** What type says of an ancestor's parameters: List&lt;String&gt; of those of Collection. Null for nothing. */
    static Type[] argumentsOf(Type type, Class<?> ancestor) {
        Class<?> at = raw(type);
        if (at == ancestor) {
            return type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : null;
        }
        Map<TypeVariable<?>, Type> known = variables(type);
        for (Type parent : at.getGenericInterfaces()) {
            if (ancestor.isAssignableFrom(raw(parent))) {
                return argumentsOf(resolve(parent, known), ancestor);
            }
        }
        Type parent = at.getGenericSuperclass();
        return parent == null || !ancestor.isAssignableFrom(raw(parent)) ? null : argumentsOf(resolve(parent, known), ancestor);
    }

    /** What the variables of a type's class stand for. */
    static Map<TypeVariable<?>, Type> variables(Type type) {
        Map<TypeVariable<?>, Type> known = new HashMap<>();
        if (type instanceof ParameterizedType) {
            TypeVariable<?>[] names = raw(type).getTypeParameters();
            Type[] values = ((ParameterizedType) type).getActualTypeArguments();
            for (int i = 0; i < names.length; i++) {
                known.put(names[i], values[i]);
            }
        }
        return known;
    }

    /** Puts what is known in place of a type's variables. */
    static Type resolve(Type type, Map<TypeVariable<?>, Type> known) {
        if (type instanceof TypeVariable) {
            Type value = known.get(type);
            return value == null ? type : value;
        }
        if (type instanceof GenericArrayType) {
            Type component = resolve(((GenericArrayType) type).getGenericComponentType(), known);
            return (GenericArrayType) () -> component;
        }
        if (!(type instanceof ParameterizedType) || known.isEmpty()) {
            return type;
        }
        ParameterizedType given = (ParameterizedType) type;
        Type[] arguments = given.getActualTypeArguments();
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = resolve(arguments[i], known);
        }
        return new ParameterizedType() {
            @Override
            public Type[] getActualTypeArguments() {
                return arguments.clone();
            }

            @Override
            public Type getRawType() {
                return given.getRawType();
            }

            @Override
            public Type getOwnerType() {
                return given.getOwnerType();
            }
        };
    }
}
