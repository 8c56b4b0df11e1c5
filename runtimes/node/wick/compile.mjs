// Compiles the CommonJS modules below a folder and prints a pack of V8's code caches of
// them (see compiled.mjs). It runs none of their code.
//
// V8 compiles the functions in a script only when they are called, so its cache of a
// script that never ran would hold next to nothing of a bundle. Its debugger compiles them
// when it is asked where one could stop, and in the same way; told to be eager from the
// beginning (--no-lazy), V8 would forget the names that stack traces have for functions
// without one.
import fs from "node:fs";
import inspector from "node:inspector";
import path from "node:path";
import v8 from "node:v8";
import vm from "node:vm";
import { encode, fingerprint, head, tail } from "./pack.mjs";

const [root, leastBytes, mostBytes, mostSeconds] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const options = { importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER };
// Up to Node 21 what comes from a cache can't import(): V8 keeps with it what says who does,
// which is of the process that has compiled it. V8 issue 10284.
const canImport = Number(process.versions.node.split(".")[0]) >= 22;
const parameters = ["exports", "require", "module", "__filename", "__dirname"];

const session = new inspector.Session();
let last; // the script that the debugger was told of last
session.connect();
session.on("Debugger.scriptParsed", ({ params }) => {
  last = params.scriptId;
});
session.post("Debugger.enable");
process.stdout.end(pack());

function pack() {
  const flagsAt = placeOfFlags();
  if (options.importModuleDynamically === undefined || flagsAt === undefined) {
    return encode([], 0); // a version that can't use one, or that we don't know
  }
  const modules = [];
  let left = mostBytes;
  for (const file of filesBelow(root)) {
    const { user, system } = process.cpuUsage();
    if ((user + system) / 1e6 > mostSeconds) {
      break;
    }
    const module = compile(file);
    if (module && module.data.length <= left) {
      left -= module.data.length;
      modules.push(module);
    }
  }
  return encode(modules, flagsAt);
}

// compile returns a module's code cache, or undefined for what isn't CommonJS.
function compile(file) {
  const content = fs.readFileSync(file, "utf8").replace(/^\uFEFF/, ""); // as Node reads it
  const imports = /\bimport\s*\(/.test(content); // or looks like it
  if (imports && !canImport) {
    return undefined;
  }
  try {
    // Not all that is well-formed between a function's braces is a module.
    vm.compileFunction(content, parameters, options);
    const script = new vm.Script(head + content + tail, {
      ...options,
      filename: file,
      columnOffset: -head.length,
    });
    script.runInThisContext(); // which makes the function, and doesn't call it
    compileFunctions(last);
    return { file, imports, fingerprint: fingerprint(content), data: script.createCachedData() };
  } catch {
    return undefined; // an ES module, or no JavaScript at all
  }
}

// compileFunctions has all functions of a script compiled; without, its cache only holds less.
function compileFunctions(scriptId) {
  const start = { scriptId, lineNumber: 0, columnNumber: 0 };
  session.post("Debugger.getPossibleBreakpoints", { start }, () => {});
}

// placeOfFlags returns at which byte of its caches V8 has the hash of its flags: the only
// 32 bits that differ with them. It is undefined where that isn't so.
function placeOfFlags() {
  const script = new vm.Script("");
  const one = script.createCachedData();
  v8.setFlagsFromString("--no-lazy");
  const other = script.createCachedData();
  v8.setFlagsFromString("--lazy");
  const places = [];
  for (let at = 0; at + 4 <= one.length; at += 4) {
    if (!one.subarray(at, at + 4).equals(other.subarray(at, at + 4))) {
      places.push(at);
    }
  }
  return one.length === other.length && places.length === 1 ? places[0] : undefined;
}

// filesBelow yields the files worth compiling, those nearest to the root first: what a
// package has of its own matters more than what a dependency may never need.
function* filesBelow(root) {
  const folders = [root];
  for (const folder of folders) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        folders.push(name);
      } else if (entry.isFile() && /\.c?js$/.test(name) && fs.statSync(name).size >= leastBytes) {
        yield name;
      }
    }
  }
}
