// A parser of HTTP/1.1 answers, fed with what a socket brings in whatever pieces.

const HEAD_END = Buffer.from("\r\n\r\n");
const EMPTY = Buffer.alloc(0);

// AnswerParser calls onAnswer({status, headers, body}) for each whole answer; header
// names are lower case, body is a Buffer. A malformed answer throws.
export class AnswerParser {
  #onAnswer;
  #rest = EMPTY;
  #answer = null; // whose body is still to come
  #missing = 0; // bytes of it, or of its chunk; -1: a chunk's size line comes next
  #parts = [];
  #chunked = false;

  constructor(onAnswer) {
    this.#onAnswer = onAnswer;
  }

  feed(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#step()) {}
  }

  // #step takes one piece off what is there; false when it must wait for more.
  #step() {
    if (this.#answer === null) {
      return this.#head();
    }
    if (!this.#chunked) {
      return this.#body() && this.#done();
    }
    if (this.#missing < 0) {
      return this.#chunkHead();
    }
    return this.#body() && this.#chunkEnd();
  }

  #head() {
    const end = this.#rest.indexOf(HEAD_END);
    if (end < 0) {
      return false;
    }
    const [first, ...lines] = this.#rest.toString("utf8", 0, end).split("\r\n");
    this.#rest = this.#rest.subarray(end + 4);
    const match = /^HTTP\/1\.\d (\d{3})/.exec(first);
    if (match === null) {
      throw new Error(`malformed answer: ${first}`);
    }
    const status = Number(match[1]);
    if (status < 200) {
      return true; // an interim answer; the real one follows
    }
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    this.#answer = { status, headers, body: EMPTY };
    this.#chunked = headers["transfer-encoding"]?.toLowerCase() === "chunked";
    this.#missing = this.#chunked ? -1 : Number(headers["content-length"] ?? 0);
    return true;
  }

  #body() {
    if (this.#rest.length === 0 && this.#missing > 0) {
      return false;
    }
    const part = this.#rest.subarray(0, this.#missing);
    this.#rest = this.#rest.subarray(part.length);
    this.#missing -= part.length;
    if (part.length > 0) {
      this.#parts.push(part);
    }
    return this.#missing === 0;
  }

  #chunkHead() {
    const line = this.#line();
    if (line === null) {
      return false;
    }
    if (this.#parts.last) {
      return line === "" ? this.#done() : true; // trailers, and the empty line behind them
    }
    const size = parseInt(line, 16);
    if (Number.isNaN(size)) {
      throw new Error(`malformed chunk: ${line}`);
    }
    if (size === 0) {
      this.#parts.last = true;
    } else {
      this.#missing = size;
    }
    return true;
  }

  #chunkEnd() {
    if (this.#line() === null) {
      return false;
    }
    this.#missing = -1;
    return true;
  }

  #line() {
    const end = this.#rest.indexOf("\r\n");
    if (end < 0) {
      return null;
    }
    const line = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  #done() {
    const answer = this.#answer;
    answer.body = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#answer = null;
    this.#parts = [];
    this.#onAnswer(answer);
    return true;
  }
}
