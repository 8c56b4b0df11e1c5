// Finding the function's code: handler names, CommonJS and ES modules.
import fs from "node:fs";
import path from "node:path";
import { searchNodePath } from "./resolve.mjs";
import { adviseOnSDK } from "./sdk.mjs";
import { HttpResponseStream } from "./stream.mjs";

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

// offerGlobals defines awslambda, unless the function asked for it not to be.
export function offerGlobals(extra = {}) {
  if (["1", "true"].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
    return;
  }
  globalThis.awslambda = {
    ...extra,
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") {
        handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      }
      return handler;
    },
    HttpResponseStream,
  };
}

// describeHandler returns how a handler wants to be called.
export function describeHandler(handler, errors) {
  const streaming = handler[STREAMING];
  if (streaming && streaming !== "response") {
    throw new errors.MalformedStreamingHandler("Only response streaming is supported.");
  }
  const highWaterMark = parseInt(handler[HIGH_WATER_MARK]);
  return {
    streaming: Boolean(streaming),
    highWaterMark: Number.isNaN(highWaterMark) ? undefined : highWaterMark,
    isAsync: handler.constructor?.name === "AsyncFunction",
    arguments: handler.length,
  };
}

// load returns the function that a handler name ("folder/module.member") stands for.
// It throws one of errors when there is none, or what the code throws as it is loaded.
export async function load(name, { require, errors, modern }) {
  if (name.includes("..")) {
    throw new errors.MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(name);
  const folder = name.slice(0, name.indexOf(last));
  const dot = last.indexOf(".");
  if (dot < 0) {
    throw new errors.MalformedHandlerName("Bad handler");
  }
  const [module, member] = [last.slice(0, dot), last.slice(dot + 1)];
  const root = process.env.LAMBDA_TASK_ROOT;
  let loaded;
  try {
    loaded = await (modern ? loadModern : loadClassic)(root, folder, module, require);
  } catch (err) {
    const advice = adviseOnSDK(err);
    if (advice) {
      console.warn(advice);
    }
    throw loadError(err, errors, modern);
  }
  let handler = find(loaded, member, modern);
  if (!handler && modern && loaded !== null && typeof loaded === "object" && "default" in loaded) {
    handler = find(loaded.default, member, modern);
  }
  if (!handler) {
    throw new errors.HandlerNotFound(`${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") {
    throw new errors.HandlerNotFound(`${name} is not a function`);
  }
  return handler;
}

// loadClassic is what the runtimes before nodejs24.x do: CommonJS is required, and a .js
// file is an ES module if the package.json above it says so.
async function loadClassic(root, folder, module, require) {
  const file = path.resolve(root, folder, module);
  const isModule = fs.existsSync(file + ".js") && typeIsModule(path.dirname(file));
  const candidates = [
    ["", require],
    [".js", isModule ? importFile : require],
    [".mjs", importFile],
    [".cjs", require],
  ];
  for (const [extension, get] of candidates) {
    const loaded = await loadFile(file + extension, get);
    if (loaded) {
      return loaded;
    }
  }
  return require(require.resolve(module, { paths: [root, folder] }));
}

// loadModern is what nodejs24.x does: everything goes through import.
async function loadModern(root, folder, module, require) {
  const file = path.resolve(root, folder, module);
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    const loaded = await loadFile(file + extension, importFile);
    if (loaded) {
      return loaded;
    }
  }
  return require(require.resolve(module, { paths: [root, path.join(root, folder)] }));
}

// loadFile gets a file that is there.
function loadFile(file, get) {
  if (!fs.existsSync(file)) {
    return undefined;
  }
  searchNodePath(file);
  return get(file);
}

function importFile(file) {
  return import(file);
}

function typeIsModule(folder) {
  for (; !folder.endsWith("/node_modules"); folder = path.dirname(folder)) {
    const file = path.join(folder, "package.json");
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
      } catch (err) {
        console.warn(
          `${file} cannot be read, it will be ignored for ES module detection purposes.`,
          err,
        );
        return false;
      }
    }
    if (folder === "/") {
      break;
    }
  }
  return false;
}

function find(loaded, member, modern) {
  return member.split(".").reduce((object, key) => {
    const usable = modern ? typeof object === "object" && object : object;
    return usable ? usable[key] : undefined;
  }, loaded);
}

function loadError(err, errors, modern) {
  if (err instanceof SyntaxError) {
    const wrapped = new errors.UserCodeSyntaxError(String(err));
    if (modern) {
      wrapped.stack = err.stack;
    }
    return wrapped;
  }
  if (err?.code === "MODULE_NOT_FOUND") {
    return new errors.ImportModuleError(String(err));
  }
  return err;
}
