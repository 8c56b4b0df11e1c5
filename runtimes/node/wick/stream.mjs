// Streamed responses: what a handler made with awslambda.streamifyResponse writes to.
// Source: Lambda developer guide, response streaming.
import { Writable } from "node:stream";

const PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";
const HIGH_WATER_MARK = 64 * 1024;

// HttpResponseStream puts status, headers and cookies in front of a streamed body:
// JSON, 8 NUL bytes, the body.
export class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(new Uint8Array(8));
    };
    return stream;
  }
}

// ResponseStream sends what is written as the chunks of one POST. Nothing is sent before
// the first write, so that the content type can still be chosen.
export class ResponseStream extends Writable {
  // done settles when the API has taken the whole response, or the stream has failed.
  done;
  #api;
  #id;
  #errors;
  #socket = null; // null, too, when the response has ended
  #opened = false;
  #contentType = "application/octet-stream";
  #answered;
  #failed;

  constructor(api, id, errors, highWaterMark) {
    super({ highWaterMark: highWaterMark ?? HIGH_WATER_MARK });
    this.#api = api;
    this.#id = id;
    this.#errors = errors;
    this.done = new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
    this.done.catch(() => {}); // whoever awaits it gets it; nobody may
    this.on("error", (err) => this.#failed(err)); // not an uncaught exception
    api.hold(); // an open response keeps the process alive
  }

  setContentType(contentType) {
    if (this.#opened) {
      throw new this.#errors.InvalidStreamingOperation("Cannot set content-type, too late.");
    }
    this.#contentType = contentType;
  }

  write(chunk, encoding, callback) {
    if (!this.#opened && !this.destroyed) {
      this.#open();
      this._onBeforeFirstWrite?.((part) => super.write(part));
    }
    const plain = typeof chunk === "string" || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  // end, unlike write, puts no prelude in front of its chunk: AWS's stream doesn't either.
  end(chunk, encoding, callback) {
    if (!this.#opened && !this.destroyed) {
      this.#open();
    }
    super.end(chunk, encoding, callback);
    return this.#errors.modern ? this : undefined; // as AWS's two
  }

  // fail ends the response with an error, as trailers, for a part may be out already;
  // it resolves when the API has taken it.
  async fail(error) {
    if (!this.#opened) {
      this.#open();
    }
    if (this.#socket === null) {
      return; // ended before it failed
    }
    const object = this.#errors.describe(error);
    const body = Buffer.from(JSON.stringify(object)).toString("base64");
    const type = String(object.errorType).replace(/[^\x20-\x7e]/g, " ");
    const taken = new Promise((resolve) => {
      this.#answered = resolve;
    });
    this.#socket.write(
      `0\r\nLambda-Runtime-Function-Error-Type: ${type}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`,
    );
    this.#socket = null; // whatever the function still writes goes nowhere
    await taken;
  }

  #open() {
    this.#opened = true;
    this.#socket = this.#api.openStream(this.#id, this.#contentType, () => this.#answered());
  }

  _write(chunk, _encoding, callback) {
    if (this.#socket === null || chunk.length === 0) {
      callback(); // an empty chunk would end the response
      return;
    }
    this.#socket.write(`${chunk.length.toString(16)}\r\n`);
    this.#socket.write(chunk);
    this.#socket.write("\r\n", callback);
  }

  _final(callback) {
    if (this.#socket === null) {
      callback();
      return;
    }
    this.#socket.write("0\r\n\r\n", callback);
    this.#socket = null;
  }

  _destroy(error, callback) {
    if (!this.writableFinished) {
      this.#failed(error ?? new Error("The response stream was destroyed."));
    }
    callback(error);
  }
}
