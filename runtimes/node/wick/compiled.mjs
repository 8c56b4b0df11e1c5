// CommonJS modules of the package and its layers that were compiled before any instance
// ran them: V8's code caches of them, in packs that compile.mjs has written.
//
// A module that comes from a pack differs from another in nothing but time. So Node's own
// Module.prototype._compile makes what a module is called with, given a line in the place
// of the code that only hands it over; and the code is then called by a function that
// stands in stack traces where Node's does.
import fs from "node:fs";
import Module from "node:module";
import vm from "node:vm";
import { fingerprint, head, tail, withPack } from "./pack.mjs";

const { openSync, readSync, closeSync, existsSync } = fs; // a function may replace them
const { Script } = vm;
const byDefault = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER;

// useCompiled has modules come from the packs of these names, as far as they are there.
export function useCompiled(names) {
  // These change what V8 compiles, or need to see all that is.
  const { NODE_OPTIONS, NODE_V8_COVERAGE } = process.env;
  if (byDefault === undefined || NODE_OPTIONS !== undefined || NODE_V8_COVERAGE !== undefined) {
    return;
  }
  for (const name of names.filter((name) => existsSync(name))) {
    try {
      withPack(name, (entries, flagsAt) => {
        for (const { file, ...entry } of entries) {
          modules.set(file, { name, flagsAt, ...entry });
        }
      });
    } catch {
      // It is broken: the modules are compiled now, as they would be without.
    }
  }
  if (modules.size > 0) {
    install();
  }
}

const modules = new Map(); // by file: where the code of each is
const original = Module.prototype._compile;
let standIn; // undefined, too, in a Node that is not as we know it

// prepareForCompiled does ahead, in a stem, what the first module from a pack needs.
export function prepareForCompiled() {
  try {
    standIn ??= byDefault && makeStandIn();
  } catch {
    // Modules are compiled as they are loaded.
  }
}

// install has the modules that are in a pack compiled by a function of ours. They get it
// when Node puts them into its cache, before it loads them, so that others don't have it
// on their stack, and Module.prototype stays what it is.
function install() {
  prepareForCompiled();
  if (!standIn) {
    return;
  }
  const loader = Module._extensions[".js"];
  for (const file of modules.keys()) {
    Object.defineProperty(Module._cache, file, {
      configurable: true,
      get: () => undefined,
      set(module) {
        delete Module._cache[file]; // so that it stands behind those that came before
        Module._cache[file] = module;
        if (
          module instanceof Module &&
          Module.prototype._compile === original && // else another one wants to see the text
          Module._extensions[".js"] === loader && // or may change it
          !process.sourceMapsEnabled
        ) {
          const own = { value: standIn, configurable: true, writable: true };
          Object.defineProperty(module, "_compile", own);
        }
      },
    });
  }
}

// makeStandIn returns a function that does what Module.prototype._compile does with code
// from a pack, and that looks like it.
function makeStandIn() {
  const [file, line, column] = position();
  // What a caller sees of a frame is the place of the call under way in it.
  const source = `(find, apply) => {
    const Module = { prototype: {} };
    Module.prototype._compile = function (content, filename, format) {
      const [code, self, given] = find(this, content, filename, format);
      const result =
${" ".repeat(column - 1)}apply(code, self, given);
      return result;
    };
    return Module.prototype._compile;
  }`;
  const lineOffset = line - source.slice(0, source.indexOf(" apply(code")).split("\n").length;
  const make = new Script(source, { filename: file, lineOffset }).runInThisContext();
  return make((module, content, filename, format) => {
    const code = format !== "module" && compiled(modules.get(filename), content, filename);
    return code
      ? [code, module.exports, surroundings(module, filename, format)]
      : [original, module, [content, filename, format]];
  }, Reflect.apply);
}

// surroundings returns what Node calls a module's code with: exports, require and so on.
function surroundings(module, filename, format) {
  const exports = module.exports;
  let given;
  module.exports = (all) => {
    given = [...all];
  };
  try {
    original.call(module, "exports(arguments)", filename, format);
  } finally {
    module.exports = exports;
  }
  given[0] = exports;
  return given;
}

// position returns in which file of Node's, in which line and column, it calls a module's
// code.
function position() {
  const before = Object.getOwnPropertyDescriptors(Error);
  const module = new Module("/");
  module.filename = "/";
  module.paths = [];
  Error.stackTraceLimit = 2;
  Error.prepareStackTrace = (_error, [, site]) => [
    site.getFileName(),
    site.getLineNumber(),
    site.getColumnNumber(),
  ];
  try {
    original.call(module, "exports.position = new Error().stack;", "/");
  } finally {
    delete Error.prepareStackTrace;
    Object.defineProperties(Error, before);
  }
  return module.exports.position;
}

let ours; // a code cache of this process's own

// compiled returns a module's function, or undefined where the pack has none of this text.
function compiled(entry, content, filename) {
  if (!entry || entry.fingerprint !== fingerprint(content)) {
    return undefined;
  }
  const cachedData = Buffer.allocUnsafeSlow(entry.size);
  let fd;
  try {
    fd = openSync(entry.name, "r");
    if (readSync(fd, cachedData, 0, entry.size, entry.at) !== entry.size) {
      return undefined;
    }
  } catch {
    return undefined; // it has been removed meanwhile
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
  // V8 takes no code that was made with other flags. Ours differ by what an instance's
  // memory is, which no code depends on.
  ours ??= new Script("").createCachedData();
  ours.copy(cachedData, entry.flagsAt, entry.flagsAt, entry.flagsAt + 4);
  const script = new Script(head + content + tail, {
    filename,
    cachedData,
    columnOffset: -head.length,
    importModuleDynamically: byDefault,
  });
  if (entry.imports) {
    allowImports();
  }
  return script.runInThisContext();
}

let allowed = false;

// allowImports calls import() once in a script like ours. Node warns, the first time, that
// what they do is new, which is not the function's business.
function allowImports() {
  if (allowed) {
    return;
  }
  allowed = true;
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    new Script("import('node:module')", { importModuleDynamically: byDefault }).runInThisContext();
  } finally {
    process.emitWarning = emitWarning;
  }
}
