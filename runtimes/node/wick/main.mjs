// The life of the process: boot, become a function, load it, serve its events.
//
// It starts in one of two ways. As a stem (WICK_STEM is the number of an inherited
// socket) it loads all it needs, asks the Runtime API which function it is to be, and
// becomes it. Otherwise its environment is the function's from the start and
// AWS_LAMBDA_RUNTIME_API says where the API is. From there on both are the same.
import Module from "node:module";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import { RuntimeApi } from "./api.mjs";
import { serveClassic } from "./classic.mjs";
import { prepareForCompiled, useCompiled } from "./compiled.mjs";
import { serveModern } from "./modern.mjs";
import { patchConsole } from "./log.mjs";
import { shrink } from "./shrink.mjs";

// From this version of the runtime on, AWS runs another client: handlers are async
// and nothing waits for the event loop to empty.
const FIRST_MODERN = 24;

// Up to this memory size an unconcerned heap could fill an instance with garbage.
const SMALL_MB = 1024;

// Where packs of the modules in /var/task and in /opt come to be, if there are any.
const PACKS = ["task", "opt"].map((slot) =>
  fileURLToPath(new URL(`./packs/${slot}/pack`, import.meta.url)),
);

export async function main(require) {
  const stem = process.env.WICK_STEM;
  let api;
  let framed = true;
  if (stem === undefined) {
    framed = process.env.WICK_LOG_FRAMES === "1";
    delete process.env.WICK_LOG_FRAMES;
    api = await RuntimeApi.connect(process.env.AWS_LAMBDA_RUNTIME_API);
  } else {
    api = RuntimeApi.inherit(Number(stem));
    await import("./warm.mjs");
    prepareForCompiled();
    if (process.env.WICK_STEM_AT_ONCE === undefined) {
      shrink();
    }
    become(JSON.parse(await api.assignment()).env);
  }
  process.chdir(process.env.LAMBDA_TASK_ROOT);
  const modern = runtimeMajor() >= FIRST_MODERN;
  patchConsole({ framed, modern });
  useCompiled(PACKS);
  await (modern ? serveModern : serveClassic)(api, require);
}

// become takes on a function's environment, exactly.
function become(env) {
  for (const name of Object.keys(process.env)) {
    delete process.env[name];
  }
  Object.assign(process.env, env);
  Module._initPaths(); // NODE_PATH is otherwise read only once, at the start
  // The heap's limit is the stem's and can't change any more. Where the instance is
  // smaller, the heap must grow with what is alive and not with what was thrown away,
  // as it does on AWS, whose limit follows the memory size.
  if (Number(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE) <= SMALL_MB) {
    v8.setFlagsFromString("--optimize-for-size");
  }
}

// runtimeMajor is the version the function was configured with, which may not be the
// one that runs it.
function runtimeMajor() {
  const match = /^AWS_Lambda_nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? "");
  return Number(match?.[1] ?? process.versions.node.split(".")[0]);
}
