// A Runtime API client on a bare socket.
//
// Requests are written to the descriptor at once and whole: a response is out even if
// the function's code calls process.exit right after, and a response and the poll
// behind it are one write. node:http would cost more than the rest of a warm invocation.
//
// Source: Lambda runtime API, 2018-06-01.
import fs from "node:fs";
import net from "node:net";
import { AnswerParser } from "./parser.mjs";

const PREFIX = "/2018-06-01/runtime/";
const MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100; // source: Lambda quotas, invocation payload
// A longer X-Ray cause is left out, as AWS's clients do.
const MAX_HEADER_BYTES = 1024 * 1024 - 1;
const ANSWER_WAIT_MS = 2000;
const READ_BYTES = 64 * 1024;

const cell = new Int32Array(new SharedArrayBuffer(4));

// pause blocks the thread: for the rare moments when a descriptor isn't ready and the
// event loop must not go on.
export function pause(ms) {
  Atomics.wait(cell, 0, 0, ms);
}

// writeAll writes a buffer to a descriptor that may be non-blocking.
export function writeAll(fd, buffer) {
  for (let at = 0; at < buffer.length;) {
    try {
      at += fs.writeSync(fd, buffer, at);
    } catch (err) {
      if (err.code !== "EAGAIN") {
        throw err;
      }
      pause(0.1);
    }
  }
}

export class RuntimeApi {
  #socket;
  #fd;
  #tail;
  #next;
  #unsent = [];
  #waiting = [];
  #parser = new AnswerParser((answer) => this.#waiting.shift()?.(answer));

  // open makes the socket with the options it is given.
  constructor(open, host) {
    // Without the stream machinery on the way in: one callback, no ticks.
    const onread = {
      buffer: Buffer.alloc(READ_BYTES),
      callback: (n, buffer) => {
        this.#parser.feed(Buffer.from(buffer.subarray(0, n)));
        return true; // go on reading
      },
    };
    const socket = open({ onread });
    this.#socket = socket;
    this.#tail = ` HTTP/1.1\r\nHost: ${host}\r\n`;
    this.#next = Buffer.from(`GET ${PREFIX}invocation/next${this.#tail}\r\n`);
    socket.on("error", () => {}); // 'close' follows
    socket.on("close", () => process.exit(1)); // the instance is going away
    socket.resume(); // so that its end is noticed
  }

  // connect opens a connection to AWS_LAMBDA_RUNTIME_API, host:port.
  static async connect(address) {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const port = Number(address.slice(colon + 1));
    const api = new RuntimeApi(
      (options) => net.connect({ ...options, host, port, noDelay: true }),
      address,
    );
    await new Promise((resolve, reject) =>
      api.#socket.once("connect", resolve).once("error", reject),
    );
    api.#fd = api.#socket._handle.fd;
    return api;
  }

  // inherit takes over a connected socket. Node has marked it close-on-exec, like all
  // descriptors it starts with.
  static inherit(fd) {
    const api = new RuntimeApi(
      (options) => new net.Socket({ ...options, fd, readable: true, writable: true }),
      "wick",
    );
    api.#fd = fd;
    return api;
  }

  // assignment waits until this stem is given a function; resolves to a JSON document.
  async assignment() {
    const answer = await this.#request(Buffer.from(`GET /wick/assign${this.#tail}\r\n`));
    if (answer.status !== 200) {
      throw new Error(`assignment answered with ${answer.status}`);
    }
    return answer.body.toString();
  }

  // next asks for an event and resolves to {headers, body} when there is one. Until then
  // it keeps the process alive, and no longer. What respond or fail kept leaves first.
  async next() {
    this.#socket.ref();
    const answer = await this.#request(this.#take(this.#next));
    this.#socket.unref();
    if (answer.status !== 200) {
      throw new Error(`Failed to get next invocation, error ${answer.status}`);
    }
    return answer;
  }

  // respond answers an invocation with JSON text; it leaves with the next poll, or flush.
  respond(id, text) {
    if (typeof text !== "string") {
      throw new TypeError("Wrong arguments"); // what has no JSON form, in AWS's words
    }
    const body = Buffer.from(text);
    this.#keep("response", this.#head(`invocation/${encodeURIComponent(id)}/response`, body), body);
    if (body.length > MAX_RESPONSE_BYTES) {
      this.flushAndWait(); // the refusal is logged while the invocation still runs
    }
  }

  // fail ends an invocation with an error object, in the same way.
  fail(id, text, errorType, xrayCause) {
    const body = Buffer.from(text);
    const path = `invocation/${encodeURIComponent(id)}/error`;
    this.#keep("error", this.#head(path, body, errorHeaders(errorType, xrayCause)), body);
  }

  // flush sends what respond or fail kept.
  flush() {
    if (this.#unsent.length > 0) {
      writeAll(this.#fd, this.#take());
    }
  }

  // flushAndWait sends what was kept and blocks until the API has answered, for when the
  // process ends next.
  flushAndWait() {
    this.flush();
    const chunk = Buffer.allocUnsafe(4096);
    const deadline = Date.now() + ANSWER_WAIT_MS;
    while (this.#waiting.length > 0 && Date.now() < deadline) {
      try {
        const n = fs.readSync(this.#fd, chunk);
        if (n === 0) {
          return;
        }
        this.#parser.feed(Buffer.from(chunk.subarray(0, n)));
      } catch (err) {
        if (err.code !== "EAGAIN") {
          return; // the connection is gone, and the instance with it
        }
        pause(0.2);
      }
    }
  }

  // failInit ends init as failed and blocks until that is known.
  failInit(text, errorType) {
    const body = Buffer.from(text);
    this.#keep("error", this.#head("init/error", body, errorHeaders(errorType, "")), body);
    this.flushAndWait();
  }

  // openStream starts a streamed response. See stream.mjs.
  openStream(id, contentType, onDone) {
    this.#socket.ref();
    this.#socket.write(
      `POST ${PREFIX}invocation/${encodeURIComponent(id)}/response${this.#tail}` +
        `Content-Type: ${contentType}\r\nTransfer-Encoding: chunked\r\n` +
        "Lambda-Runtime-Function-Response-Mode: streaming\r\n" +
        "Trailer: Lambda-Runtime-Function-Error-Type\r\n" +
        "Trailer: Lambda-Runtime-Function-Error-Body\r\n\r\n",
    );
    this.#waiting.push(onDone);
    return this.#socket;
  }

  // hold keeps the process alive, release doesn't.
  hold() {
    this.#socket.ref();
  }

  release() {
    this.#socket.unref();
  }

  #request(buffer) {
    writeAll(this.#fd, buffer);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #head(path, body, headers = "") {
    return Buffer.from(
      `POST ${PREFIX}${path}${this.#tail}Content-Type: application/json\r\n` +
        `${headers}Content-Length: ${body.length}\r\n\r\n`,
    );
  }

  #keep(what, head, body) {
    this.#unsent.push(head, body);
    this.#waiting.push((answer) => {
      if (answer.status !== 202) {
        const outcome = what === "response" ? "success response" : "failure";
        process.stdout.write(
          `[ERROR] [${Date.now()}] LAMBDA_RUNTIME Failed to post handler ${outcome}. ` +
            `Http response code: ${answer.status}.\n`,
        );
      }
    });
  }

  #take(last) {
    const parts = this.#unsent;
    if (parts.length === 0) {
      return last;
    }
    this.#unsent = [];
    if (last !== undefined) {
      parts.push(last);
    }
    return Buffer.concat(parts);
  }
}

function errorHeaders(errorType, xrayCause) {
  return (
    header("Lambda-Runtime-Function-Error-Type", errorType) +
    header("Lambda-Runtime-Function-XRay-Error-Cause", xrayCause)
  );
}

function header(name, value) {
  const text = String(value ?? "").replace(/[\r\n\0]/g, " ");
  return text === "" || Buffer.byteLength(text) > MAX_HEADER_BYTES ? "" : `${name}: ${text}\r\n`;
}
