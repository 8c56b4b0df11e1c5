// Packs: the file that compile.mjs writes and compiled.mjs reads. It begins with a line
// that says what it is, the length of the index (32 bits), and the index, JSON; the code
// caches follow.
import fs from "node:fs";

const magic = Buffer.from("wick node pack 1\n");

// Code is compiled as a script that gives the module's function.
export const head = "(function (exports, require, module, __filename, __dirname) { ";
export const tail = "\n})";

// fingerprint is different for texts that differ, as far as a thousand of their characters
// and the length tell: packages don't change, so it is for what a function does to them.
export function fingerprint(text) {
  let sum = text.length;
  const step = Math.max(1, Math.floor(text.length / 1024));
  for (let at = 0; at < text.length; at += step) {
    sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  }
  return sum;
}

// encode returns a pack of modules: {file, fingerprint, data}. flagsAt is where in data V8
// has the hash of its flags.
export function encode(modules, flagsAt) {
  let at = 0;
  const entries = modules.map(({ data, ...entry }) => {
    const placed = { ...entry, at, size: data.length };
    at += data.length;
    return placed;
  });
  const index = Buffer.from(JSON.stringify({ flagsAt, entries }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return Buffer.concat([magic, length, index, ...modules.map(({ data }) => data)]);
}

// withPack calls use with the entries of a pack, each {file, fingerprint, at, size}, and
// with flagsAt. It does nothing where the file isn't a pack.
export function withPack(name, use) {
  const fd = fs.openSync(name, "r");
  try {
    const start = Buffer.alloc(magic.length + 4);
    if (fs.readSync(fd, start, 0, start.length, 0) !== start.length) {
      return;
    }
    if (!start.subarray(0, magic.length).equals(magic)) {
      return;
    }
    const index = Buffer.alloc(start.readUInt32LE(magic.length));
    if (fs.readSync(fd, index, 0, index.length, start.length) !== index.length) {
      return;
    }
    const { flagsAt, entries } = JSON.parse(index);
    const first = start.length + index.length;
    use(
      entries.map((entry) => ({ ...entry, at: first + entry.at })),
      flagsAt,
    );
  } finally {
    fs.closeSync(fd);
  }
}
