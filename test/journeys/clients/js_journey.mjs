// The operations Wick has through the AWS SDK for JavaScript v3. Usage:
// node js_journey.mjs ENDPOINT FOLDER_WITH_NODE_MODULES
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

const [endpoint, modules] = process.argv.slice(2);
const {
  CreateFunctionCommand, DeleteFunctionCommand, GetAccountSettingsCommand, GetFunctionCommand,
  GetFunctionConfigurationCommand, InvokeCommand, LambdaClient, ListFunctionsCommand, UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand, paginateListFunctions, waitUntilFunctionActiveV2, waitUntilFunctionExists,
  waitUntilFunctionUpdatedV2,
} = createRequire(`${modules}/`)("@aws-sdk/client-lambda");

const client = new LambdaClient({
  endpoint, region: "us-east-1", credentials: { accessKeyId: "journey", secretAccessKey: "journey" }, maxAttempts: 1,
});
const FunctionName = "js-journey";
const patience = { client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };

// zip makes an archive of one stored file.
function zip(name, text) {
  const data = Buffer.from(text), file = Buffer.from(name), crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(data));
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32LE(data.length, 0);
  sizes.writeUInt32LE(data.length, 4);
  const u16 = (n) => Buffer.from([n & 255, n >> 8]);
  const u32 = (n) => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24]);
  const common = Buffer.concat([u16(20), u16(0), u16(0), u16(0), u16(33), crc, sizes, u16(file.length), u16(0)]);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, file, data]);
  const mode = (0o100644 << 16) >>> 0;
  const central = Buffer.concat([Buffer.from("PK\x01\x02"), u16(0x0314), common, u16(0), u16(0), u16(0), u32(mode), u32(0), file]);
  const end = Buffer.concat([Buffer.from("PK\x05\x06"), u16(0), u16(0), u16(1), u16(1), u32(central.length), u32(local.length), u16(0)]);
  return Buffer.concat([local, central, end]);
}

function crc32(data) {
  let c = ~0;
  for (const byte of data) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

const source = (edition) => `
let served = 0;
export const handler = async (event, context) => {
  served++;
  console.log("served", served);
  if (event.fail) throw new TypeError("as asked");
  return { edition: ${edition}, served, requestId: context.awsRequestId, greeting: process.env.GREETING, event };
};`;

let passed = 0;
async function step(what, run) {
  await run();
  passed++;
  console.log(`  ok   ${what}`);
}

async function invoke(event, options = {}) {
  const answer = await client.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event), ...options }));
  const text = Buffer.from(answer.Payload ?? []).toString();
  return { ...answer, body: text ? JSON.parse(text) : undefined, log: Buffer.from(answer.LogResult ?? "", "base64").toString() };
}

async function refused(command, name, status, message) {
  await assert.rejects(client.send(command), (e) => {
    assert.equal(e.name, name);
    assert.equal(e.$metadata.httpStatusCode, status);
    assert.match(e.message, message);
    return true;
  });
}

const code = zip("index.mjs", source(1));
const base = { FunctionName, Runtime: "nodejs20.x", Handler: "index.handler", Role: "arn:aws:iam::000000000000:role/journey", Code: { ZipFile: code } };

await step("GetAccountSettings", async () => {
  const got = await client.send(new GetAccountSettingsCommand({}));
  assert.equal(got.AccountLimit.ConcurrentExecutions, 1000);
});
await step("CreateFunction", async () => {
  const got = await client.send(new CreateFunctionCommand({ ...base, Timeout: 10, Environment: { Variables: { GREETING: "hello" } } }));
  assert.equal(got.State, "Pending");
  assert.equal(got.CodeSha256, createHash("sha256").update(code).digest("base64"));
});
try {
  await step("waitUntilFunctionExists, waitUntilFunctionActiveV2", async () => {
    await waitUntilFunctionExists(patience, { FunctionName });
    await waitUntilFunctionActiveV2(patience, { FunctionName });
  });
  await step("GetFunction and its Code.Location", async () => {
    const got = await client.send(new GetFunctionCommand({ FunctionName }));
    assert.equal(got.Configuration.State, "Active");
    const download = Buffer.from(await (await fetch(got.Code.Location)).arrayBuffer());
    assert.ok(download.equals(code));
  });
  await step("Invoke, cold, with the log's tail", async () => {
    const got = await invoke({ n: 1 }, { LogType: "Tail" });
    assert.equal(got.StatusCode, 200);
    assert.equal(got.FunctionError, undefined);
    assert.deepEqual(got.body.event, { n: 1 });
    assert.equal(got.body.greeting, "hello");
    assert.equal(got.body.requestId, got.$metadata.requestId);
    assert.match(got.log, /START RequestId: \S+ Version: \$LATEST\n/);
    assert.match(got.log, /\tINFO\tserved 1\n/);
    assert.match(got.log, /REPORT RequestId: \S+\tDuration: .*\tInit Duration: [\d.]+ ms\t\n/);
  });
  await step("Invoke, warm", async () => assert.equal((await invoke({})).body.served, 2));
  await step("Invoke, DryRun", async () => assert.equal((await invoke({}, { InvocationType: "DryRun" })).StatusCode, 204));
  await step("Invoke of a function that throws", async () => {
    const got = await invoke({ fail: true });
    assert.equal(got.StatusCode, 200);
    assert.equal(got.FunctionError, "Unhandled");
    assert.equal(got.body.errorType, "TypeError");
    assert.equal(got.body.errorMessage, "as asked");
    assert.ok(Array.isArray(got.body.trace));
  });
  await step("UpdateFunctionConfiguration, waitUntilFunctionUpdatedV2", async () => {
    await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables: { GREETING: "salut" } } }));
    await waitUntilFunctionUpdatedV2(patience, { FunctionName });
    assert.equal((await client.send(new GetFunctionConfigurationCommand({ FunctionName }))).LastUpdateStatus, "Successful");
    assert.equal((await invoke({})).body.greeting, "salut");
  });
  await step("UpdateFunctionCode", async () => {
    await client.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile: zip("index.mjs", source(2)) }));
    await waitUntilFunctionUpdatedV2(patience, { FunctionName });
    assert.equal((await invoke({})).body.edition, 2);
  });
  await step("ListFunctions, page by page", async () => {
    const more = ["js-page-1", "js-page-2"];
    for (const name of more) await client.send(new CreateFunctionCommand({ ...base, FunctionName: name }));
    const names = [];
    for await (const page of paginateListFunctions({ client, pageSize: 1 }, {})) {
      assert.ok(page.Functions.length <= 1);
      names.push(...page.Functions.map((f) => f.FunctionName));
    }
    for (const name of more) await client.send(new DeleteFunctionCommand({ FunctionName: name }));
    for (const name of [FunctionName, ...more]) assert.ok(names.includes(name), `${name} in ${names}`);
    assert.ok(!(await client.send(new ListFunctionsCommand({}))).NextMarker);
  });
  await step("refusals", async () => {
    await refused(new InvokeCommand({ FunctionName: "no-such" }), "ResourceNotFoundException", 404, /^Function not found: arn:aws:lambda:us-east-1:000000000000:function:no-such$/);
    await refused(new CreateFunctionCommand(base), "ResourceConflictException", 409, /^Function already exist: js-journey$/);
    await refused(new CreateFunctionCommand({ ...base, FunctionName: "js-wrong", MemorySize: 1 }), "ValidationException", 400, /'memorySize'/);
    await refused(new InvokeCommand({ FunctionName, Payload: "{" }), "InvalidRequestContentException", 400, /^Could not parse request body into json/);
  });
} finally {
  await client.send(new DeleteFunctionCommand({ FunctionName }));
}
await step("DeleteFunction", () => refused(new GetFunctionCommand({ FunctionName }), "ResourceNotFoundException", 404, /^Function not found/));
console.log(`${passed} steps passed`);
