// Packages that ES modules import and that lie in layers or in /var/runtime: Lambda looks
// for them in the folders of NODE_PATH, as require does; Node by itself doesn't.
// Source: AWS, Node.js 18.x runtime, ES module resolution using NODE_PATH.
//
// Node lets others take part in resolving at a price: up to 22.14 in a thread of its own.
// So it is asked to only when a function imports something that is found in no other way.
import fs from "node:fs";
import Module from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

// searchNodePath prepares for loading a file.
export function searchNodePath(file) {
  const folders = (process.env.NODE_PATH ?? "")
    .split(path.delimiter)
    .filter((folder) => path.basename(folder) === "node_modules" && fs.existsSync(folder));
  if (folders.length === 0 || !importsFrom(folders, file)) {
    return;
  }
  // A module beside such a folder finds what is in it.
  const parents = folders.map((folder) => pathToFileURL(path.join(folder, "..", "_")).href);
  if (Module.registerHooks) {
    Module.registerHooks({ resolve: resolver(parents) });
  } else {
    Module.register?.(import.meta.url, { data: parents });
  }
}

function resolver(parents) {
  return (specifier, context, next) => {
    try {
      return next(specifier, context);
    } catch (err) {
      for (const parentURL of searchable(specifier, err) ? parents : []) {
        try {
          return next(specifier, { ...context, parentURL });
        } catch {
          // It isn't there either.
        }
      }
      throw withoutUs(err);
    }
  };
}

// withoutUs takes the lines of this file and of what calls it out of an error's stack.
function withoutUs(err) {
  if (typeof err?.stack === "string") {
    const lines = err.stack.split("\n");
    err.stack = lines.filter((line) => !/customization_hooks|wick\/resolve\.mjs/.test(line)).join("\n");
  }
  return err;
}

let parents = [];

// initialize and resolve are the same for Node's thread, which runs this file as well.
export function initialize(data) {
  parents = data;
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (err) {
    for (const parentURL of searchable(specifier, err) ? parents : []) {
      try {
        return await next(specifier, { ...context, parentURL });
      } catch {
        // It isn't there either.
      }
    }
    throw err;
  }
}

function searchable(specifier, err) {
  return err?.code === "ERR_MODULE_NOT_FOUND" && packageOf(specifier) !== undefined;
}

// packageOf returns the name in a specifier of a package's module: @scope/name or name.
function packageOf(specifier) {
  if (Module.isBuiltin(specifier)) {
    return undefined;
  }
  return /^(?:@[^/:\\]+\/)?[^@./#:\\][^/:\\]*(?=\/|$)/.exec(specifier)?.[0];
}

const IMPORTS = /\b(?:from|import)\s*(?:\(\s*)?["']([^"'\n]+)["']/g;

// importsFrom tells whether a file, or one of the package's that it imports, imports a
// package that is in one of the folders and nowhere nearer.
function importsFrom(folders, file) {
  const files = new Set([file]);
  for (const at of files) {
    let text;
    try {
      text = fs.readFileSync(at, "utf8");
    } catch {
      continue; // a folder, or nothing: Node says so in its own words
    }
    for (const [, specifier] of text.matchAll(IMPORTS)) {
      const name = packageOf(specifier);
      if (name !== undefined) {
        const isIn = (folder) => fs.existsSync(path.join(folder, name));
        if (folders.some(isIn) && !foldersAbove(at).some(isIn)) {
          return true;
        }
      } else if (/^\.{0,2}\//.test(specifier)) {
        files.add(path.resolve(path.dirname(at), specifier));
      }
    }
  }
  return false;
}

function foldersAbove(file) {
  const folders = [];
  for (let at = path.dirname(file); ; at = path.dirname(at)) {
    folders.push(path.join(at, "node_modules"));
    if (at === path.dirname(at)) {
      return folders;
    }
  }
}
