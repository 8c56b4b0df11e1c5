// The Node.js runtime: what /var/lang/bin/node starts in an instance.
//
// The function's code is required from this file, as it is on AWS, so that the
// require stack of a missing module reads the same.
import { createRequire } from "node:module";
import { main } from "./wick/main.mjs";

main(createRequire(import.meta.url));
