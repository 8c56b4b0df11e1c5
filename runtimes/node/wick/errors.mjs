// The runtime's own errors, and how errors are told to the invoker, the log and X-Ray.
import { types } from "node:util";

// runtimeErrors returns the error classes of a client generation, as describe how it
// describes errors, and which it is. The names are what the invoker sees as errorType.
//
// The generations differ in where the name is: on the prototype, where it is part of
// the stack's first line, or on the error itself, where it isn't but is logged as a
// property.
export function runtimeErrors(modern) {
  const classes = {};
  for (const name of [
    "ImportModuleError",
    "HandlerNotFound",
    "MalformedHandlerName",
    "UserCodeSyntaxError",
    "MalformedStreamingHandler",
    "InvalidStreamingOperation",
    "CallbackHandlerDeprecated",
    "NodeJsExit",
    "UnhandledPromiseRejection",
    "PlatformError",
  ]) {
    classes[name] = modern
      ? class extends Error {
          constructor(message) {
            super(message);
            this.name = `Runtime.${name}`;
          }
        }
      : class extends Error {};
    if (modern) {
      Object.defineProperty(classes[name], "name", { value: name });
    } else {
      classes[name].prototype.name = `Runtime.${name}`;
    }
  }
  return { ...classes, modern, describe: modern ? describeModern : describe };
}

// intoError makes what was thrown an error that can be logged. The modern client gives
// undefined a message, too.
export function intoError(value, modern) {
  return value instanceof Error ? value : new Error(modern ? String(value) : value);
}

const UNREADABLE = {
  errorType: "handled",
  errorMessage:
    "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
};

// describe returns the classic client's error object for the invoker: {errorType, errorMessage, trace}.
function describe(error) {
  try {
    if (types.isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: printable(error.name),
        errorMessage: printable(error.message),
        trace: printable(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return UNREADABLE;
  }
}

// describeModern is the same of the modern client, for which only errors are errors.
function describeModern(error) {
  try {
    if (!(error instanceof Error)) {
      return { errorType: typeof error, errorMessage: String(error), trace: [] };
    }
    return {
      errorType: printable(error.name),
      errorMessage: printable(error.message),
      trace: printable(error.stack)?.split("\n") || [],
    };
  } catch {
    return { ...UNREADABLE, trace: [] };
  }
}

// logged returns an error as it stands in the log: a tab and a JSON object that has,
// besides what the error itself has, its type, message, code and stack.
export function logged(error, modern) {
  try {
    return "\t" + JSON.stringify(error, (_key, value) => withHidden(value));
  } catch {
    return "\t" + JSON.stringify(modern ? describeModern(error) : describe(error));
  }
}

function withHidden(value) {
  if (!(value instanceof Error)) {
    return value;
  }
  const all = {
    errorType: value.name,
    errorMessage: value.message,
    code: value.code,
    ...value,
  };
  if (typeof value.stack === "string") {
    all.stack = value.stack.split("\n");
  }
  return all;
}

// xrayCause returns what X-Ray is told, as JSON text, or "" when the error can't be read.
// Source: X-Ray segment documents, cause.
export function xrayCause(error) {
  try {
    const [, ...lines] = (printable(error.stack) ?? "").split("\n");
    const stack = lines.map((text) => {
      const frame = text
        .trim()
        .replace(/[()]/g, "")
        .replace(/^\S*\s?/, "");
      const space = frame.lastIndexOf(" ");
      const [path, line] = frame.slice(space + 1).split(":");
      return {
        path,
        line: parseInt(line),
        label: frame.slice(0, Math.max(space, 0)) || "anonymous",
      };
    });
    return JSON.stringify({
      working_directory: process.cwd(),
      exceptions: [{ type: printable(error.name), message: printable(error.message), stack }],
      paths: [...new Set(stack.map((frame) => frame.path))],
    });
  } catch {
    return "";
  }
}

function looksLikeError(value) {
  return ["name", "message", "stack"].every(
    (key) => value?.[key] && typeof value[key] === "string",
  );
}

// A DEL may not stand in an HTTP header, which is where a type can end up.
function printable(text) {
  return text?.replaceAll("\x7F", "%7F");
}
