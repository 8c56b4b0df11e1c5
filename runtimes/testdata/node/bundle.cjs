// Prints a package and all it requires as one module, as bundlers make them. What may call
// import() stays outside.
//
//	node bundle.cjs FOLDER-WITH-node_modules PACKAGE
const fs = require("node:fs");
const { createRequire, isBuiltin } = require("node:module");
const path = require("node:path");

const [folder, name] = [path.resolve(process.argv[2]), process.argv[3]];
const entry = createRequire(path.join(folder, "_")).resolve(name);
const modules = new Map();
const queue = [entry];
for (const file of queue) {
  const text = fs.readFileSync(file, "utf8");
  const from = createRequire(file);
  const required = {};
  for (const [, specifier] of text.matchAll(/\brequire\(["']([^"'\n]+)["']\)/g)) {
    try {
      const found = isBuiltin(specifier) ? "" : from.resolve(specifier);
      if (found !== "" && isPlain(found)) {
        required[specifier] = found;
        queue.push(...(modules.has(found) || queue.includes(found) ? [] : [found]));
      }
    } catch {
      // optional, or in a comment
    }
  }
  modules.set(file, { text, required });
}

function isPlain(file) {
  return file.endsWith(".js") && !/\bimport\s*\(/.test(fs.readFileSync(file, "utf8"));
}

const id = (file) => JSON.stringify(path.relative(folder, file));
console.log(`const bundled = {`);
for (const [file, { text, required }] of modules) {
  const links = Object.entries(required).map(([from, to]) => `${JSON.stringify(from)}: ${id(to)}`);
  console.log(`${id(file)}: [{ ${links.join(", ")} }, function (exports, require, module) {`);
  console.log(`${text}\n}],`);
}
console.log(`};
const cache = {};
function load(id) {
  const [links, code] = bundled[id];
  if (!cache[id]) {
    cache[id] = { exports: {} };
    code(cache[id].exports, (name) => (links[name] ? load(links[name]) : require(name)), cache[id]);
  }
  return cache[id].exports;
}
const loaded = load(${id(entry)});
exports.handler = async () => Object.keys(loaded).length;`);
