// The console as Lambda has it: each record has its time, request ID and level.
//
// Where the platform reads frames a record of many lines stays one: 4 bytes
// 0xA55A0003, 4 bytes length, 8 bytes time in microseconds since the epoch, all
// big-endian, then the text, on the descriptor of plain output. Elsewhere a record's
// line ends become carriage returns.
//
// Source: Lambda developer guide, Node.js logging; advanced logging controls.
import { format } from "node:util";
import { writeAll } from "./api.mjs";
import { intoError, logged } from "./errors.mjs";

const MAGIC = 0xa55a0003;
const HEADER_BYTES = 16;
// A longer record is several. Source: CloudWatch Logs quotas, log event size.
const MAX_FRAME_BYTES = 1 << 20;
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

// Libraries find the request ID here.
const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const TENANT_ID = Symbol.for("aws.lambda.runtime.tenantId");

let json = false;

// setInvocation says which invocation records belong to from now on.
export function setInvocation(requestId, tenantId) {
  globalThis[REQUEST_ID] = requestId;
  globalThis[TENANT_ID] = tenantId;
}

// patchConsole replaces the console's functions. framed: the platform reads frames.
// modern: as the client of nodejs24.x and later does it.
export function patchConsole({ framed, modern }) {
  json = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
  const text = json ? jsonText : plainText;
  const write = framed ? writeFrame : writeLine;
  const least = LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
  const logAt = (level) => {
    if (LEVELS.indexOf(level) < least && level !== "FATAL") {
      return () => {};
    }
    return (message, ...params) => {
      const now = new Date();
      write(now, text(now, level, modern, message, params));
    };
  };
  console.trace = logAt("TRACE");
  console.debug = logAt("DEBUG");
  console.info = logAt("INFO");
  console.warn = logAt("WARN");
  console.error = logAt("ERROR");
  console.fatal = logAt("FATAL");
  console.log = console.info;
}

// logError logs the error that ends an invocation or the process, as the client of its
// generation does.
export function logError(message, error, modern = false) {
  if (json) {
    console.error(intoError(error, modern));
  } else {
    console.error(message, logged(intoError(error, modern), modern));
  }
}

function plainText(now, level, modern, message, params) {
  const id = globalThis[REQUEST_ID] ?? (modern ? "-" : undefined);
  return `${now.toISOString()}\t${id}\t${level}\t${format(message, ...params)}`;
}

function jsonText(now, level, modern, message, params) {
  const record = {
    timestamp: now.toISOString(),
    level,
    requestId: globalThis[REQUEST_ID] ?? (modern ? "-" : undefined),
  };
  if (globalThis[TENANT_ID] != null && !modern) {
    record.tenantId = globalThis[TENANT_ID];
  }
  if (params.length === 0) {
    record.message = message;
    try {
      return JSON.stringify(record, (_key, value) =>
        value instanceof Error ? errorFields(value) : value,
      );
    } catch {
      record.message = format(message); // circular, or a BigInt
      return JSON.stringify(record);
    }
  }
  record.message = format(message, ...params);
  const error = (modern ? params : [message, ...params]).find((param) => param instanceof Error);
  if (error !== undefined) {
    record.errorType = error.constructor?.name ?? "UnknownError";
    record.errorMessage = error.message;
    record.stackTrace = typeof error.stack === "string" ? error.stack.split("\n") : [];
  }
  return JSON.stringify(record);
}

function errorFields(error) {
  return {
    errorType: error.constructor?.name ?? "UnknownError",
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : error.stack,
    ...error,
  };
}

function writeLine(_now, text) {
  process.stdout.write(text.replaceAll("\n", "\r") + "\n");
}

function writeFrame(now, text) {
  const payload = Buffer.from(text);
  const at = BigInt(now.getTime()) * 1000n;
  for (let from = 0; from === 0 || from < payload.length; from += MAX_FRAME_BYTES) {
    const part = payload.subarray(from, from + MAX_FRAME_BYTES);
    const frame = Buffer.allocUnsafe(HEADER_BYTES + part.length);
    frame.writeUInt32BE(MAGIC, 0);
    frame.writeUInt32BE(part.length, 4);
    frame.writeBigUInt64BE(at, 8);
    part.copy(frame, HEADER_BYTES);
    writeAll(1, frame);
  }
}
