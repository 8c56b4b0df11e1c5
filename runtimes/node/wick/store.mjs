// awslambda.InvokeStore: the invocation's request and trace ID, and what libraries keep
// beside them until the next one. Source: @aws/lambda-invoke-store.

const PROTECTED_KEYS = {
  REQUEST_ID: Symbol.for("_AWS_LAMBDA_REQUEST_ID"),
  X_RAY_TRACE_ID: Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID"),
  TENANT_ID: Symbol.for("_AWS_LAMBDA_TENANT_ID"),
};

export class InvokeStore {
  static PROTECTED_KEYS = PROTECTED_KEYS;
  #context;

  run(requestId, traceId, f) {
    this.#context = {
      [PROTECTED_KEYS.REQUEST_ID]: requestId,
      [PROTECTED_KEYS.X_RAY_TRACE_ID]: traceId,
    };
    return f();
  }

  getContext() {
    return this.#context;
  }

  hasContext() {
    return this.#context !== undefined;
  }

  get(key) {
    return this.#context?.[key];
  }

  set(key, value) {
    if (Object.values(PROTECTED_KEYS).includes(key)) {
      throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    }
    this.#context = { ...this.#context, [key]: value };
  }

  getRequestId() {
    return this.get(PROTECTED_KEYS.REQUEST_ID) ?? "-";
  }

  getXRayTraceId() {
    return this.get(PROTECTED_KEYS.X_RAY_TRACE_ID);
  }

  getTenantId() {
    return this.get(PROTECTED_KEYS.TENANT_ID);
  }
}
