package crac;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import org.crac.Core;
import org.crac.Resource;

/** Has hooks for SnapStart, which nobody calls here. */
public class Handler implements RequestHandler<Object, String>, Resource {
    private String called = "not called";

    public Handler() {
        Core.getGlobalContext().register(this);
    }

    @Override
    public String handleRequest(Object event, Context context) {
        return called;
    }

    @Override
    public void beforeCheckpoint(org.crac.Context<? extends Resource> context) {
        called = "before";
    }

    @Override
    public void afterRestore(org.crac.Context<? extends Resource> context) {
        called = "after";
    }
}
