// The client of the runtimes up to nodejs22.x: callbacks as well as promises, and an
// invocation that is over only when the event loop is empty.
import { environmentFields, exportTrace, invocationFields } from "./context.mjs";
import { runtimeErrors, xrayCause } from "./errors.mjs";
import { describeHandler, load, offerGlobals } from "./load.mjs";
import { logError, setInvocation } from "./log.mjs";
import { ResponseStream } from "./stream.mjs";

const errors = runtimeErrors(false);

// unreadable is the error for a header that is no JSON: as AWS's client names it.
function unreadable(header, err) {
  const name = header.endsWith("client-context") ? "ClientContext" : "CognitoIdentity";
  return new Error(`Cannot parse ${name} as json: ${err}`);
}

const CALLBACK_WARNING =
  "AWS Lambda plans to remove support for callback-based function handlers starting with Node.js 24. You will need to update this function to use an async handler to use Node.js 24 or later. For more information and to provide feedback on this change, see https://github.com/aws/aws-lambda-nodejs-runtime-interface-client/issues/137. To disable this warning, set the AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING environment variable.";

const NO_EXIT =
  "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes";

// serveClassic loads the function and serves its events.
export async function serveClassic(api, require) {
  const report = {
    // Before the first event a failure is one of init; later, of the invocation.
    send: (error) => api.failInit(JSON.stringify(errors.describe(error)), errors.describe(error).errorType),
  };
  process.on("uncaughtException", (error) => {
    logError("Uncaught Exception", error);
    report.send(error);
    process.exit(129);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = new errors.UnhandledPromiseRejection(reason);
    error.reason = reason;
    error.promise = promise;
    logError("Unhandled Promise Rejection", error);
    report.send(error);
    process.exit(128);
  });

  offerGlobals();
  let handler;
  let style;
  try {
    handler = await load(process.env._HANDLER, { require, errors, modern: false });
    style = describeHandler(handler, errors);
  } catch (err) {
    logError("Uncaught Exception", err);
    report.send(err);
    process.exit(129);
  }
  if (
    style.arguments === 3 &&
    !style.isAsync &&
    !style.streaming &&
    process.env.AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING === undefined
  ) {
    console.warn(CALLBACK_WARNING);
  }
  new Runtime(api, handler, style, report).handleOnce();
}

class Runtime {
  constructor(api, handler, style, report) {
    this.api = api;
    this.handler = handler;
    this.style = style;
    this.report = report;
    this.whenLoopIsEmpty = () => {};
    process.on("beforeExit", () => this.whenLoopIsEmpty());
    // Nobody awaits it, so that a handler's stack has one frame of ours, as on AWS. It
    // settles its own failures; what it can't is an unhandled rejection.
    this.handleOnce = style.streaming ? this.handleOnceStreaming : this.handleOnceNonStreaming;
  }

  // scheduleIteration polls after the code that runs now, and what it has queued.
  scheduleIteration() {
    setImmediate(() => this.handleOnce());
  }

  begin(headers) {
    const id = headers["lambda-runtime-aws-request-id"];
    setInvocation(id, headers["lambda-runtime-aws-tenant-id"]);
    this.report.send = (error) => {
      this.fail(id, error);
      this.api.flushAndWait();
    };
    return id;
  }

  fail(id, error) {
    const object = errors.describe(error);
    this.api.fail(id, serialize(object), object.errorType, xrayCause(error));
  }

  async handleOnceNonStreaming() {
    const { headers, body } = await this.api.next();
    const id = this.begin(headers);
    const invocation = new Invocation(this, id);
    const { callback, context } = invocation;
    try {
      this.whenLoopIsEmpty = () => invocation.abandoned();
      const event = JSON.parse(body.toString());
      exportTrace(headers);
      Object.assign(context, environmentFields(), invocationFields(headers, unreadable));
      const result = this.handler(event, context, callback);
      if (isPromise(result)) {
        result
          .then(
            (value) => invocation.settle(() => context.succeed(value)),
            (error) => invocation.settle(() => context.fail(error)),
          )
          .catch(context.fail);
      }
    } catch (err) {
      callback(err);
    }
  }

  async handleOnceStreaming() {
    const { headers, body } = await this.api.next();
    const id = this.begin(headers);
    const stream = new ResponseStream(this.api, id, errors, this.style.highWaterMark);
    let wait = true;
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return wait;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        wait = value;
      },
    };
    const next = () => {
      this.api.release();
      if (wait) {
        this.whenLoopIsEmpty = () => this.scheduleIteration();
      } else {
        this.scheduleIteration();
      }
    };
    const fail = async (error) => {
      logError("Invoke Error", error);
      await stream.fail(error);
      next();
    };
    this.whenLoopIsEmpty = () => this.scheduleIteration();
    try {
      exportTrace(headers);
      Object.assign(context, environmentFields(), invocationFields(headers, unreadable));
      const result = this.handler(JSON.parse(body.toString()), stream, context);
      if (!isPromise(result)) {
        await fail("Streaming does not support non-async handlers.");
        return;
      }
      if ((await result) !== undefined) {
        console.warn("Streaming handlers ignore return values.");
      }
      await stream.done;
      if (!stream.writableFinished) {
        await fail("Response stream is not finished.");
        return;
      }
      next();
    } catch (err) {
      await fail(err);
    }
  }
}

// Invocation is one event's way to its answer: by promise, callback or context.
class Invocation {
  #runtime;
  #id;
  #answered = false;
  #called = false;
  #waits = true;
  #settling = false;

  constructor(runtime, id) {
    this.#runtime = runtime;
    this.#id = id;
    const once =
      (f) =>
      (...args) => {
        if (!this.#called) {
          f(...args);
          this.#called = true;
        }
      };
    this.callback = once((error, result) => this.#callback(error, result));
    const invocation = this;
    this.context = {
      get callbackWaitsForEmptyEventLoop() {
        return invocation.#waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        invocation.#waits = value;
      },
      succeed: once((result) => this.#done(null, result)),
      fail: once((error) => this.#done(error ?? "handled")),
      done: once((error, result) => this.#done(error, result)),
    };
  }

  // settle runs f, which answers because the handler's promise is settled: no code of
  // the handler follows, so the answer may leave together with the next poll.
  settle(f) {
    this.#settling = true;
    f();
    this.#settling = false;
  }

  // abandoned: the event loop is empty and nothing has been answered.
  abandoned() {
    this.#answered = true;
    if (this.#runtime.style.isAsync) {
      const error = new errors.NodeJsExit(NO_EXIT);
      logError("Invoke Error", error);
      this.#runtime.fail(this.#id, error);
    } else {
      this.#runtime.api.respond(this.#id, "null");
    }
    this.#next();
  }

  #callback(error, result) {
    this.#runtime.whenLoopIsEmpty = () => {};
    if (error !== undefined && error !== null) {
      this.#fail(error);
    } else if (!this.#waits) {
      this.#complete(result);
    } else {
      this.#runtime.whenLoopIsEmpty = () => setImmediate(() => this.#complete(result));
    }
  }

  #done(error, result) {
    this.#runtime.whenLoopIsEmpty = () => {};
    if (error !== undefined && error !== null) {
      this.#fail(error);
    } else {
      this.#complete(result);
    }
  }

  #fail(error) {
    logError("Invoke Error", error);
    this.#runtime.fail(this.#id, error);
    this.#next();
  }

  #complete(result) {
    if (this.#answered) {
      console.error(
        "Invocation has already been reported as done. Cannot call complete more than once per invocation.",
      );
      return;
    }
    this.#answered = true;
    this.#runtime.api.respond(this.#id, serialize(result));
    this.#next();
  }

  #next() {
    if (this.#settling) {
      this.#runtime.handleOnce();
      return;
    }
    this.#runtime.api.flush();
    this.#runtime.scheduleIteration();
  }
}

function serialize(value) {
  try {
    return JSON.stringify(value === undefined ? null : value);
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

function isPromise(value) {
  return value && typeof value.then === "function";
}
