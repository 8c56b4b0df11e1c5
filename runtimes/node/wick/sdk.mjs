// What to do about an import that fails for want of the AWS SDK: AWS's images have it, Wick
// gets it when asked.
import fs from "node:fs";

const SDK = /['"]((?:@aws-sdk\/|@smithy\/|aws-sdk(?=['"/]))[^'"]*)['"]/;

// adviseOnSDK returns a line for the log, or undefined for other failures.
export function adviseOnSDK(err) {
  const missing = ["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(err?.code);
  const name = missing && SDK.exec(String(err.message))?.[1];
  if (!name) {
    return undefined;
  }
  const client = /^@aws-sdk\/client-([a-z0-9-]+)/.exec(name)?.[1];
  return client && fs.existsSync("/var/runtime/node_modules/@aws-sdk")
    ? `${name} isn't among the clients that this Wick has: \`wick runtimes install sdk --sdk-clients ${client}\` gets it.`
    : `This Wick doesn't have the AWS SDK that AWS's runtime carries: \`wick runtimes install sdk\` gets it.`;
}
