// The client of nodejs24.x and later: handlers return a value or a promise, and the
// next event is asked for as soon as it is there.
import { environmentFields, exportTrace, invocationFields } from "./context.mjs";
import { runtimeErrors, xrayCause } from "./errors.mjs";
import { describeHandler, load, offerGlobals } from "./load.mjs";
import { logError, setInvocation } from "./log.mjs";
import { ResponseStream } from "./stream.mjs";
import { InvokeStore } from "./store.mjs";

const errors = runtimeErrors(true);

const CALLBACK_REMOVED =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";

// serveModern loads the function and serves its events.
export async function serveModern(api, require) {
  const store = new InvokeStore();
  offerGlobals({ InvokeStore: store });
  let handler;
  let style;
  try {
    handler = await load(process.env._HANDLER, { require, errors, modern: true });
    style = describeHandler(handler, errors);
    if (style.arguments >= 3 && !style.streaming) {
      throw new errors.CallbackHandlerDeprecated(CALLBACK_REMOVED);
    }
  } catch (err) {
    logError("Init Error", err, true);
    const object = errors.describe(err);
    api.failInit(JSON.stringify(object), object.errorType);
    throw err; // ends the process: nobody waits for this promise
  }
  const Processor = style.streaming ? StreamingInvokeProcessor : BufferedInvokeProcessor;
  const processor = new Processor(api, handler, style.highWaterMark);
  for (;;) {
    const { headers, body } = await api.next();
    const context = invocationContext(headers);
    setInvocation(context.awsRequestId);
    exportTrace(headers);
    const event = JSON.parse(body.toString());
    await store.run(context.awsRequestId, context.xRayTraceId, () =>
      processor.processInvoke(context, event),
    );
  }
}

// The processors bear AWS's names: a handler that throws has them in its stack.
class BufferedInvokeProcessor {
  constructor(api, handler) {
    this.api = api;
    this.handler = handler;
  }

  async processInvoke(context, event) {
    const id = context.awsRequestId;
    try {
      const result = await this.handler(event, context);
      this.api.respond(id, serialize(result));
    } catch (err) {
      await turn();
      logError("Invoke Error", err, true);
      const object = errors.describe(err);
      this.api.fail(id, serialize(object), object.errorType, xrayCause(err));
    }
  }
}

class StreamingInvokeProcessor {
  constructor(api, handler, highWaterMark) {
    this.api = api;
    this.handler = handler;
    this.highWaterMark = highWaterMark;
  }

  async processInvoke(context, event) {
    const stream = new ResponseStream(this.api, context.awsRequestId, errors, this.highWaterMark);
    try {
      const result = this.handler(event, stream, context);
      if (typeof result?.then !== "function") {
        throw new Error("Streaming does not support non-async handlers.");
      }
      if ((await result) !== undefined) {
        console.warn("Streaming handlers ignore return values.");
      }
      await stream.done;
      if (!stream.writableFinished) {
        throw new Error("Response stream is not finished.");
      }
    } catch (err) {
      await turn();
      logError("Invoke Error", err, true);
      await stream.fail(err);
    }
    this.api.release();
  }
}

// turn lets what a handler has queued run first.
function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

function invocationContext(headers) {
  const { getRemainingTimeInMillis, ...fields } = invocationFields(
    headers,
    (header, err) => new errors.PlatformError(`Failed to parse ${header} as JSON: ${err.message}`),
  );
  return {
    ...fields,
    xRayTraceId: headers["lambda-runtime-trace-id"],
    getRemainingTimeInMillis,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME, // here it comes first
    ...environmentFields(),
  };
}

function serialize(value) {
  try {
    return JSON.stringify(value === undefined ? null : value);
  } catch {
    const error = new Error("Unable to stringify response body");
    error.name = "Runtime.JSONStringifyError";
    throw error;
  }
}
