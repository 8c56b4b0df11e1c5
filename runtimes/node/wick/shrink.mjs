// Giving back, in a stem, the memory that only booting needed: native/shrink.c.
import { fileURLToPath } from "node:url";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };

// shrink leaves a small heap, to wait with and to measure later growth by. Where the
// library can't be loaded it is as small as V8 makes it by itself.
export function shrink() {
  const library = `../wick-native-${ARCHITECTURES[process.arch]}.node`;
  try {
    process.dlopen({ exports: {} }, fileURLToPath(new URL(library, import.meta.url)));
  } catch {
    globalThis.gc?.();
  }
}
