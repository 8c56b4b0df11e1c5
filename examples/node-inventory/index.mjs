// The SDK is the runtime's own: `wick runtimes install sdk` brings it.
import { LambdaClient, paginateListFunctions } from "@aws-sdk/client-lambda";

const client = new LambdaClient({});

export const handler = async () => {
  const largest = { name: null, bytes: -1 };
  let functions = 0;
  for await (const page of paginateListFunctions({ client }, {})) {
    for (const { FunctionName: name, CodeSize: bytes } of page.Functions) {
      functions++;
      if (bytes > largest.bytes) {
        Object.assign(largest, { name, bytes });
      }
    }
  }
  return { functions, largest };
};
