package runtimes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

func js(source string) program {
	return program{Runtime: "nodejs20.x", Handler: "index.handler", Files: map[string]string{"index.js": source}}
}

func js24(source string) program {
	p := js(source)
	p.Runtime = "nodejs24.x"
	return p
}

func jsNamed(handler string, files map[string]string) program {
	return program{Runtime: "nodejs20.x", Handler: handler, Files: files}
}

func withEnv(p program, name, value string) program {
	p.Env = map[string]string{name: value}
	return p
}

const (
	jsPrefix = timestamp + "\t" + runner.RequestID + "\t"
	jsInit   = timestamp + "\tundefined\t"
)

func TestNodeBehaves(t *testing.T) { runBehaviours(t, nodeBehaviours()) }

// TestAStemsMemoryIsGivenBack compares one that only booted with one that gave back what
// that took.
func TestAStemsMemoryIsGivenBack(t *testing.T) {
	m := match(t, "nodejs20.x")
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skipf("the memory of processes isn't told here: %v", err)
	}
	boot := func(variables ...string) int {
		p := newProcess(t, m)
		prog := js("exports.handler = async () => 1")
		p.Write(prog)
		c := set(t).Stem(m, prog.Function())
		p.Start(c.Path, c.Args, append(c.Env, variables...), c.Dir, p.Connect())
		conn := runner.Receive(p, p.Assigns, "the stem's question")
		kB := kilobytes(readFile(t, fmt.Sprintf("/proc/%d/smaps_rollup", p.Cmd.Process.Pid)), "Private_Dirty:")
		assign(p, conn, m, prog)
		p.Invoke(event{Payload: "1"})
		p.Stop()
		return kB
	}
	large, small := boot(StemAtOnce), boot()
	t.Logf("%d kB, and %d kB", large, small)
	if small+512 > large {
		t.Errorf("a stem has %d kB, one that is needed at once %d kB", small, large)
	}
}

// TestTheNodeLibraryIsOfItsSource builds the embedded libraries again.
func TestTheNodeLibraryIsOfItsSource(t *testing.T) {
	for _, compiler := range []string{"x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"} {
		if _, err := exec.LookPath(compiler); err != nil {
			t.Skipf("no %s on PATH: run scripts/install-tools generators", compiler)
		}
	}
	out := t.TempDir()
	if text, err := exec.Command("node/native/build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		name := "wick-native-" + arch + ".node"
		if readFile(t, filepath.Join(out, name)) != readFile(t, filepath.Join("node", name)) {
			t.Errorf("node/%s isn't what its source gives: run go generate ./runtimes", name)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func nodeBehaviours() []behaviour {
	return []behaviour{
		{
			name: "what a stem is booted with is nowhere to be seen: not in the function, its threads or its children", ok: true,
			program: js(`const { execFileSync } = require("child_process"); const { Worker } = require("worker_threads");
				const seen = "[process.env.NODE_OPTIONS ?? null, process.execArgv.filter((a) => /^--v8-pool/.test(a))]";
				exports.handler = async () => [
					eval(seen),
					JSON.parse(execFileSync(process.execPath, ["-p", "JSON.stringify(" + seen + ")"])),
					await new Promise((resolve) => new Worker("require('worker_threads').parentPort.postMessage(" + seen + ")", { eval: true }).on("message", resolve)),
				];`),
			body: `\[\[null,\[\]\],\[null,\[\]\],\[null,\[\]\]\]`,
		},
		{
			name: "an async handler's result is JSON", ok: true,
			program: js(`exports.handler = async (event) => ({got: event, u: undefined, d: new Date(0)})`), event: event{Payload: `{"a":"ü"}`},
			body: `\{"got":\{"a":"ü"\},"d":"1970-01-01T00:00:00.000Z"\}`,
		},
		{name: "undefined is null", ok: true, program: js(`exports.handler = async () => {}`), body: `null`},
		{name: "a thenable is awaited", ok: true, program: js(`exports.handler = () => ({then: (f) => f(5)})`), body: `5`},
		{
			name: "a callback's result", ok: true,
			program: withEnv(js(`exports.handler = (event, context, callback) => setTimeout(callback, 5, null, "late")`), "AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING", "1"),
			body:    `"late"`, log: ``,
		},
		{
			name: "a callback handler is warned about", ok: true,
			program: js(`exports.handler = (event, context, callback) => callback(null, 1)`), body: `1`,
			log: jsInit + "WARN\tAWS Lambda plans to remove support for callback-based function handlers.*\n",
		},
		{
			name:    "a callback's error",
			program: js(`exports.handler = (e, c, callback) => { callback(new RangeError("no")); }`),
			body:    `\{"errorType":"RangeError","errorMessage":"no","trace":\["RangeError: no","    at .*"\]\}`, header: "RangeError",
		},
		{
			name:    "a callback's error that is a string",
			program: js(`exports.handler = (e, c, callback) => { callback("plain"); }`),
			body:    `\{"errorType":"string","errorMessage":"plain","trace":\[\]\}`,
		},
		{
			name: "a callback waits for the event loop", ok: true,
			program: js(`exports.handler = (e, c, callback) => { setTimeout(() => console.log("after"), 30); callback(null, "x"); }`), body: `"x"`,
			log: ".*WARN\t.*\n" + jsPrefix + "INFO\tafter\n",
		},
		{
			name: "a callback doesn't wait when told so", ok: true,
			program: js(`exports.handler = (e, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 1e6); callback(null, "x"); }`), body: `"x"`,
		},
		{name: "context.succeed", ok: true, program: js(`exports.handler = (e, c) => { c.succeed({s: 1}); }`), body: `\{"s":1\}`},
		{name: "context.done", ok: true, program: js(`exports.handler = (e, c) => { c.done(null, "d"); }`), body: `"d"`},
		{name: "context.fail", program: js(`exports.handler = (e, c) => { c.fail(new Error("f")); }`), body: `\{"errorType":"Error","errorMessage":"f","trace":.*`},
		{name: "context.fail with nothing", program: js(`exports.handler = (e, c) => { c.fail(); }`), body: `\{"errorType":"string","errorMessage":"handled","trace":\[\]\}`},
		{
			name: "only the first answer counts", ok: true,
			program: js(`exports.handler = (e, c, cb) => { c.succeed(1); c.succeed(2); }`), body: `1`,
		},
		{
			name: "a handler that never answers gives null when the loop is empty", ok: true,
			program: js(`exports.handler = (e, c) => { setTimeout(() => {}, 10); }`), body: `null`,
		},
		{
			name:    "an async handler that never settles",
			program: js(`exports.handler = async () => { await new Promise(() => {}); }`),
			body:    `\{"errorType":"Runtime.NodeJsExit","errorMessage":"The Lambda runtime client detected an unexpected Node.js exit code\..*","trace":.*`,
			header:  "Runtime.NodeJsExit", log: jsPrefix + "ERROR\tInvoke Error \t\\{\"errorType\":\"Runtime.NodeJsExit\".*\n",
		},
		{
			name:    "an exception is an error object with its trace, and a log record",
			program: js(`exports.handler = async () => { const e = new TypeError("bad"); e.code = 7; e.extra = {x: 1}; throw e; }`),
			body:    `\{"errorType":"TypeError","errorMessage":"bad","trace":\["TypeError: bad","    at exports.handler \(/[^ ]*/index.js:1:\d+\)","    at Runtime.handleOnceNonStreaming \(file:///[^"]*\)"\]\}`,
			header:  "TypeError",
			log:     jsPrefix + `ERROR	Invoke Error 	\{"errorType":"TypeError","errorMessage":"bad","code":7,"extra":\{"x":1\},"stack":\["TypeError: bad","    at exports.handler.*\]\}` + "\n",
		},
		{
			name:    "a synchronous exception",
			program: js(`exports.handler = () => { throw new Error("sync"); }`), body: `\{"errorType":"Error","errorMessage":"sync","trace":.*`,
		},
		{
			name:    "a thrown object",
			program: js(`exports.handler = async () => { throw {name: "N", message: "M", stack: "S\nT"}; }`), body: `\{"errorType":"N","errorMessage":"M","trace":\["S","T"\]\}`,
		},
		{
			name:    "a thrown number",
			program: js(`exports.handler = async () => { throw 5; }`), body: `\{"errorType":"number","errorMessage":"5","trace":\[\]\}`,
			log: jsPrefix + `ERROR	Invoke Error 	\{"errorType":"Error","errorMessage":"5","stack":.*\}` + "\n",
		},
		{
			name:    "a result that holds itself",
			program: js(`exports.handler = async () => { const a = {}; a.a = a; return a; }`),
			body:    `\{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":.*`,
		},
		{
			name:    "a BigInt has no JSON form",
			program: js(`exports.handler = async () => 1n`), body: `\{"errorType":"Error","errorMessage":"Unable to stringify response body","trace":.*`,
		},
		{
			name: "an exception from a timer ends the process", exit: "exit status 129",
			program: js(`exports.handler = async () => { setTimeout(() => { throw new Error("boom"); }, 5); await new Promise((r) => setTimeout(r, 10000)); }`),
			body:    `\{"errorType":"Error","errorMessage":"boom","trace":.*`,
			log:     jsPrefix + "ERROR\tUncaught Exception \t\\{\"errorType\":\"Error\",\"errorMessage\":\"boom\",\"stack\":.*\n",
		},
		{
			name: "an unhandled rejection ends the process", exit: "exit status 128", header: "Runtime.UnhandledPromiseRejection",
			program: js(`exports.handler = async () => { Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 10000)); }`),
			body:    `\{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","trace":\["Runtime.UnhandledPromiseRejection: Error: lost",.*`,
			log:     jsPrefix + "ERROR\tUnhandled Promise Rejection \t\\{\"errorType\":\"Runtime.UnhandledPromiseRejection\",\"errorMessage\":\"Error: lost\",\"reason\":\\{\"errorType\":\"Error\",\"errorMessage\":\"lost\",\"stack\":.*\\},\"promise\":\\{\\},\"stack\":.*\n",
		},
		{name: "process.exit", noAnswer: true, exit: "exit status 7", program: js(`exports.handler = async () => { process.exit(7); }`)},
		{
			name: "an answer given before process.exit is out", ok: true, exit: "exit status 0",
			program: js(`exports.handler = (e, c) => { c.succeed("x".repeat(3e6)); process.exit(0); }`), body: `"x*"`,
		},
		{
			name: "a module that is missing", init: true, exit: "exit status 129", header: "Runtime.ImportModuleError",
			program: js(`require("nosuch")`),
			body:    `\{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'nosuch'\\nRequire stack:\\n- /[^ ]*/index.js\\n- /[^ ]*/index.mjs","trace":\["Runtime.ImportModuleError: Error: Cannot find module 'nosuch'","Require stack:",.*\]\}`,
			log:     jsInit + `ERROR	Uncaught Exception 	\{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'nosuch'.*` + "\n",
		},
		{
			name: "the handler's own module is missing", init: true, exit: "exit status 129",
			program: jsNamed("other.handler", map[string]string{"index.js": ""}),
			body:    `\{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'other'\\nRequire stack:\\n- /[^ ]*/index.mjs","trace":.*`,
		},
		{
			name: "a syntax error", init: true, exit: "exit status 129", header: "Runtime.UserCodeSyntaxError",
			program: js("exports.handler = async () => {\n"),
			body:    `\{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: Unexpected end of input","trace":\["Runtime.UserCodeSyntaxError: SyntaxError: Unexpected end of input",.*`,
		},
		{
			name: "a handler that is missing", init: true, exit: "exit status 129", header: "Runtime.HandlerNotFound",
			program: js(`exports.other = 1`), body: `\{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is undefined or not exported","trace":.*`,
		},
		{
			name: "a handler that is no function", init: true, exit: "exit status 129",
			program: js(`exports.handler = 5`), body: `\{"errorType":"Runtime.HandlerNotFound","errorMessage":"index.handler is not a function","trace":.*`,
		},
		{
			name: "a handler name without a dot", init: true, exit: "exit status 129",
			program: jsNamed("index", map[string]string{"index.js": ""}), body: `\{"errorType":"Runtime.MalformedHandlerName","errorMessage":"Bad handler","trace":.*`,
		},
		{
			name: "a handler name that climbs", init: true, exit: "exit status 129",
			program: jsNamed("../index.handler", map[string]string{"index.js": ""}),
			body:    `\{"errorType":"Runtime.MalformedHandlerName","errorMessage":"'../index.handler' is not a valid handler name\. Use absolute paths when specifying root directories in handler names\.","trace":.*`,
		},
		{
			name: "an exception while the module loads", init: true, exit: "exit status 129", header: "EvalError",
			program: js(`throw new EvalError("early")`), body: `\{"errorType":"EvalError","errorMessage":"early","trace":\["EvalError: early","    at Object.<anonymous> \(/[^ ]*/index.js:1:7\)",.*`,
			log: jsInit + "ERROR\tUncaught Exception \t\\{\"errorType\":\"EvalError\",\"errorMessage\":\"early\",.*\n",
		},
		{
			name: "a rejection while the module loads", init: true, exit: "exit status 128",
			program: js(`Promise.reject(new Error("init")); exports.handler = async () => 1; require("child_process").execSync("sleep 0.05");`),
			body:    `\{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: init",.*`,
		},
		{name: "process.exit while the module loads", init: true, noAnswer: true, exit: "exit status 9", program: js(`process.exit(9)`)},
		{
			name: "a folder, dots and members", ok: true,
			program: jsNamed("src/app/main.api.v1.get", map[string]string{"src/app/main.js": `exports.api = {v1: {get: async () => "deep"}}`}), body: `"deep"`,
		},
		{
			name: "an ES module by extension, with top-level await", ok: true,
			program: jsNamed("index.handler", map[string]string{"index.mjs": `import os from "node:os"; const x = await Promise.resolve(3); export const handler = async () => [x, typeof os.cpus, typeof require, import.meta.url.slice(-9)]`}), body: `\[3,"function","undefined","index.mjs"\]`,
		},
		{
			name: "an ES module by package.json", ok: true,
			program: jsNamed("index.handler", map[string]string{"index.js": `import {x} from "./lib/y.js"; export const handler = async () => x`, "lib/y.js": `export const x = "esm"`, "package.json": `{"type":"module"}`}), body: `"esm"`,
		},
		{
			name: "CommonJS by extension inside an ES package", ok: true,
			program: jsNamed("index.handler", map[string]string{"index.cjs": `exports.handler = async () => typeof require`, "package.json": `{"type":"module"}`}), body: `"function"`,
		},
		{
			name: "module syntax in a .js file without a package.json is refused, as on AWS", init: true, exit: "exit status 129",
			program: js(`export const handler = async () => 1`), body: `\{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: Unexpected token 'export'".*`,
		},
		{
			name:    "a package.json that is broken is warned about",
			program: jsNamed("index.handler", map[string]string{"index.js": `exports.handler = async () => 1`, "package.json": `{`}),
			init:    true, exit: "exit status 129",
			body: `\{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: .*package.json.*`,
			log:  jsInit + "WARN\t.*/package.json cannot be read, it will be ignored for ES module detection purposes..*",
		},
		{
			name: "the console has time, request and level, and keeps lines together", ok: true,
			program: js(`console.log("init"); exports.handler = async () => { console.log("a\nb %s", "c", {d: [1]}); console.info("i"); console.warn("w"); console.error("e"); console.debug("d"); console.trace("t"); console.fatal("f"); process.stdout.write("raw\n"); console.log(); }`),
			body:    `null`,
			log: jsInit + "INFO\tinit\n" + jsPrefix + "INFO\ta\nb c \\{ d: \\[ 1 \\] \\}\n" + jsPrefix + "INFO\ti\n" + jsPrefix + "WARN\tw\n" + jsPrefix + "ERROR\te\n" + jsPrefix + "DEBUG\td\n" +
				jsPrefix + "TRACE\tt\n" + jsPrefix + "FATAL\tf\nraw\n" + jsPrefix + "INFO\tundefined\n",
		},
		{
			name: "JSON log records", ok: true,
			program: program{
				Runtime: "nodejs20.x", Handler: "index.handler", Logging: jsonLogging,
				Files: map[string]string{"index.js": `exports.handler = async () => { console.log({a: 1}); console.log("x", "y"); console.error(new TypeError("t")); console.error("with", new Error("e")); console.trace("no"); const c = {}; c.c = c; console.log(c); }`},
			},
			body: `null`,
			log: `\{"timestamp":"` + timestamp + `","level":"INFO","requestId":"` + runner.RequestID + `","message":\{"a":1\}\}` + "\n" +
				`\{"timestamp":"[^"]*","level":"INFO","requestId":"[^"]*","message":"x y"\}` + "\n" +
				`\{"timestamp":"[^"]*","level":"ERROR","requestId":"[^"]*","message":\{"errorType":"TypeError","errorMessage":"t","stackTrace":\[.*?\]\}\}` + "\n" +
				`\{"timestamp":"[^"]*","level":"ERROR","requestId":"[^"]*","message":"with Error: e\\n.*","errorType":"Error","errorMessage":"e","stackTrace":\[.*?\]\}` + "\n" +
				`\{"timestamp":"[^"]*","level":"INFO","requestId":"[^"]*","message":"<ref \*1> \{ c: \[Circular \*1\] \}"\}` + "\n",
		},
		{
			name: "JSON log level filters", ok: true,
			program: program{
				Runtime: "nodejs20.x", Handler: "index.handler", Logging: wick.LoggingConfig{Format: "JSON", ApplicationLevel: "WARN"},
				Files: map[string]string{"index.js": `exports.handler = async () => { console.info("no"); console.warn("yes"); }`},
			},
			body: `null`, log: `\{[^\n]*"message":"yes"\}` + "\n",
		},
		{
			name: "an exception in JSON form",
			program: program{
				Runtime: "nodejs20.x", Handler: "index.handler", Logging: jsonLogging,
				Files: map[string]string{"index.js": `exports.handler = async () => { throw new Error("bad"); }`},
			},
			body: `\{"errorType":"Error","errorMessage":"bad".*`,
			log:  `\{"timestamp":"[^"]*","level":"ERROR","requestId":"[^"]*","message":\{"errorType":"Error","errorMessage":"bad","stackTrace":\[.*\]\}\}` + "\n",
		},
		{
			name: "the context", ok: true,
			program: js(`exports.handler = async (e, c) => { const left = c.getRemainingTimeInMillis(); return [c, left > 50000 && left <= 60000, Object.keys(c)]; }`),
			event:   event{ClientContext: `{"custom":{"a":"ü"}}`, CognitoIdentity: `{"cognitoIdentityId":"id"}`, TenantID: "tenant"},
			body: `\[\{"callbackWaitsForEmptyEventLoop":true,"functionVersion":"\$LATEST","functionName":"f","memoryLimitInMB":"128","logGroupName":"/aws/lambda/f","logStreamName":"2026/01/01/\[\$LATEST\]0123456789abcdef0123456789abcdef","clientContext":\{"custom":\{"a":"ü"\}\},"identity":\{"cognitoIdentityId":"id"\},"invokedFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f","awsRequestId":"` + runner.RequestID + `","tenantId":"tenant"\},true,` +
				`\["callbackWaitsForEmptyEventLoop","succeed","fail","done","functionVersion","functionName","memoryLimitInMB","logGroupName","logStreamName","clientContext","identity","invokedFunctionArn","awsRequestId","tenantId","getRemainingTimeInMillis"\]\]`,
		},
		{
			name:    "a client context that isn't JSON",
			program: js(`exports.handler = async () => 1`), event: event{ClientContext: "{x"},
			body: `\{"errorType":"Error","errorMessage":"Cannot parse ClientContext as json: SyntaxError: .*`,
		},
		{
			name: "environment, folder, clock and module paths are the function's", ok: true,
			program: program{
				Runtime: "nodejs20.x", Handler: "index.handler", Env: map[string]string{"MINE": "ü", "TZ": "Asia/Tokyo"},
				Files: map[string]string{
					"index.js":                  `exports.handler = async () => [Object.keys(process.env).filter((k) => k.includes("WICK")), process.env.MINE, process.cwd() === process.env.LAMBDA_TASK_ROOT, new Date(0).getHours(), require("mod"), typeof gc]`,
					"node_modules/mod/index.js": `module.exports = "found"`,
				},
			},
			body: `\[\[\],"ü",true,9,"found","function"\]`,
		},
		{
			name: "the trace ID is in the environment while there is one", ok: true,
			program: js(`exports.handler = async () => process.env._X_AMZN_TRACE_ID`), event: event{Trace: "Root=1-2-3"}, body: `"Root=1-2-3"`,
		},
		{
			name: "a child process has the environment and not the connection", ok: true,
			program: js(`exports.handler = async () => require("child_process").execFileSync(process.execPath, ["-e", "let l=''; try { l = fs.readlinkSync('/proc/self/fd/3') } catch {} console.log('WICK_STEM' in process.env, l.startsWith('socket'))"]).toString()`),
			body:    `"false false\\n"`,
		},
		{
			name: "an answer that is too large", ok: true,
			program: js(`exports.handler = async () => "x".repeat(7e6)`), body: ``,
			log: `\[ERROR\] \[\d{13}\] LAMBDA_RUNTIME Failed to post handler success response\. Http response code: 413\.` + "\n",
		},
		{
			name: "garbage doesn't outgrow a small instance", ok: true,
			program: js(`exports.handler = async () => { for (let i = 0; i < 100; i++) new Array(1e6).fill(i + 0.5); return process.resourceUsage().maxRSS < 300 * 1024; }`), body: `true`,
		},
		{
			name: "a large event and a large answer", ok: true,
			program: js(`exports.handler = async (e) => [e.length, "ä".repeat(2e6)]`), event: event{Payload: `"` + strings.Repeat("x", 5<<20) + `"`}, body: `\[5242880,"ä*"\]`,
		},
	}
}

func TestNode24Behaves(t *testing.T) { runBehaviours(t, node24Behaviours()) }

func node24Behaviours() []behaviour {
	return []behaviour{
		{name: "a result", ok: true, program: js24(`exports.handler = async (e) => e`), event: event{Payload: `[1]`}, body: `\[1\]`},
		{name: "a result without a promise", ok: true, program: js24(`exports.handler = () => "sync"`), body: `"sync"`},
		{
			name: "callbacks are refused", init: true, exit: "exit status 1", header: "Runtime.CallbackHandlerDeprecated",
			program: js24(`exports.handler = (e, c, cb) => cb(null, 1)`),
			body:    `\{"errorType":"Runtime.CallbackHandlerDeprecated","errorMessage":"ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24\..*","trace":.*`,
			log:     timestamp + "\t-\tERROR\tInit Error \t\\{\"errorType\":\"Runtime.CallbackHandlerDeprecated\",.*",
		},
		{
			name:    "an exception",
			program: js24(`exports.handler = async () => { throw new TypeError("bad"); }`), header: "TypeError",
			body: `\{"errorType":"TypeError","errorMessage":"bad","trace":\["TypeError: bad","    at exports.handler .*`,
			log:  jsPrefix + "ERROR\tInvoke Error \t\\{\"errorType\":\"TypeError\",\"errorMessage\":\"bad\",\"stack\":.*\n",
		},
		{
			name:    "a result that has no JSON form",
			program: js24(`exports.handler = async () => 1n`), body: `\{"errorType":"Runtime.JSONStringifyError","errorMessage":"Unable to stringify response body","trace":.*`,
		},
		{
			name: "a module that is missing", init: true, exit: "exit status 1",
			program: js24(`require("nosuch")`), body: `\{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'nosuch'\\nRequire stack:\\n- /[^ ]*/index.js","trace":.*`,
		},
		{
			name: "a handler among default exports", ok: true,
			program: program{Runtime: "nodejs24.x", Handler: "index.handler", Files: map[string]string{"index.mjs": `export default {handler: async () => "default"}`}}, body: `"default"`,
		},
		{
			name: "an answer doesn't wait for timers", ok: true,
			program: js24(`exports.handler = async () => { setTimeout(() => {}, 1e7); return 1; }`), body: `1`,
		},
		{
			name: "a promise that never settles ends the process", noAnswer: true, exit: "exit status 0",
			program: js24(`exports.handler = () => new Promise(() => {})`),
		},
		{
			name: "an exception from a timer ends the process", noAnswer: true, exit: "exit status 1",
			program: js24(`exports.handler = async () => { setTimeout(() => { throw new Error("boom"); }, 1); await new Promise((r) => setTimeout(r, 10000)); }`), log: ".*Error: boom.*",
		},
		{
			name: "the context and the store", ok: true,
			program: js24(`exports.handler = async (e, c) => { awslambda.InvokeStore.set("k", 1); return [Object.keys(c), awslambda.InvokeStore.getRequestId() === c.awsRequestId, c.xRayTraceId]; }`), event: event{Trace: "Root=1"},
			body: `\[\["clientContext","identity","invokedFunctionArn","awsRequestId","tenantId","xRayTraceId","getRemainingTimeInMillis","functionName","functionVersion","memoryLimitInMB","logGroupName","logStreamName"\],true,"Root=1"\]`,
		},
	}
}

// streamCase is a streamed response; its second invocation must give the same body.
type streamCase struct {
	name              string
	program           program
	body, contentType string
	errorType         string
	errorBody         string // how it begins
	log               string // part of it
}

func streamCases(runtime string) []streamCase {
	stream := func(source string) program {
		p := js("exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {" + source + "});")
		p.Runtime = runtime
		return p
	}
	return []streamCase{
		{"parts", stream(`stream.setContentType("text/plain"); stream.write("a"); await new Promise((r) => setTimeout(r, 5)); stream.write(Buffer.from("b")); stream.write({c: 1}); stream.end();`), "ab{\"c\":1}", "text/plain", "", "", ""},
		{"end with the last part", stream(`stream.end("all");`), "all", "application/octet-stream", "", "", ""},
		{"nothing", stream(`stream.end();`), "", "application/octet-stream", "", "", ""},
		{"a prelude", stream(`stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {a: "b"}}); stream.write("body"); stream.end();`), "{\"statusCode\":201,\"headers\":{\"a\":\"b\"}}\x00\x00\x00\x00\x00\x00\x00\x00body", "application/vnd.awslambda.http-integration-response", "", "", ""},
		{"a pipeline", stream(`await require("stream/promises").pipeline(require("stream").Readable.from(["x".repeat(100000), "y".repeat(100000)]), stream);`), strings.Repeat("x", 100000) + strings.Repeat("y", 100000), "application/octet-stream", "", "", ""},
		{"an error before the first part", stream(`throw new TypeError("early");`), "", "application/octet-stream", "TypeError", `{"errorType":"TypeError","errorMessage":"early","trace":`, "ERROR\tInvoke Error \t{\"errorType\":\"TypeError\""},
		{"an error in the middle", stream(`stream.write("part"); await null; throw new Error("mid");`), "part", "application/octet-stream", "Error", `{"errorType":"Error","errorMessage":"mid","trace":`, "Invoke Error"},
		{"a pipeline that breaks", stream(`const { Readable } = require("stream"); await require("stream/promises").pipeline(Readable.from((async function* () { yield "part"; throw new RangeError("source"); })()), stream);`), "part", "application/octet-stream", "RangeError", `{"errorType":"RangeError","errorMessage":"source","trace":`, "Invoke Error"},
		{"a stream that is destroyed", stream(`stream.destroy(new Error("gone"));`), "", "application/octet-stream", "Error", `{"errorType":"Error","errorMessage":"gone","trace":`, "Invoke Error"},
		{"a write behind the end", stream(`stream.end("x"); stream.write("y");`), "x", "application/octet-stream", "Error", `{"errorType":"Error","errorMessage":"write after end"`, "Invoke Error"},
		{"a content type that comes too late", stream(`stream.write("x"); stream.setContentType("a/b");`), "x", "application/octet-stream", "Runtime.InvalidStreamingOperation", `{"errorType":"Runtime.InvalidStreamingOperation"`, "Invoke Error"},
		{"a result is ignored, and said so", stream(`stream.end("x"); return 5;`), "x", "application/octet-stream", "", "", "WARN\tStreaming handlers ignore return values."},
	}
}

func TestNodeStreams(t *testing.T) {
	for _, runtime := range []string{"nodejs20.x", "nodejs24.x"} {
		for _, c := range streamCases(runtime) {
			for way, stem := range map[string]bool{"as a stem": true, "in the ordinary way": false} {
				t.Run(runtime+"/"+c.name+"/"+way, func(t *testing.T) {
					t.Parallel()
					p := runProgram(t, c.program, stem)
					o := p.Invoke(event{})
					r := o.Response
					if !o.OK || !r.Streaming || string(r.Body) != c.body || r.ContentType != c.contentType || r.ErrorType != c.errorType || !strings.HasPrefix(string(r.ErrorBody), c.errorBody) {
						t.Errorf("got %+v %.200q %q", o, r.Body, r.ErrorBody)
					}
					if o := p.Invoke(event{}); !o.OK || string(o.Response.Body) != c.body {
						t.Errorf("the second time: %+v", o)
					}
					if got := runner.Texts(p.Finish()); !strings.Contains(got, c.log) {
						t.Errorf("log is %q", got)
					}
				})
			}
		}
	}
}
