package runtimes

import (
	"strings"
	"testing"
)

// nodejs is a function whose handler is handler in index.js.
func nodejs(t *testing.T, source string) function {
	t.Helper()
	return function{runtime: "nodejs20.x", handler: "index.handler", code: zipped(t, map[string]string{"index.js": source})}
}

// nodejsDoing is a function that does as its body says, from line 3 on, when the event
// asks for it, and else answers "fine".
func nodejsDoing(t *testing.T, body ...string) function {
	t.Helper()
	return nodejs(t, "exports.handler = async (event, context) => {\n  if (!event.do) return 'fine';\n  "+strings.Join(body, "\n  ")+"\n};\n")
}

// jsObject is an error object; trace is the lines of its stack, as text in JSON.
func jsObject(errorType, message, trace string) string {
	return `{"errorType":"` + errorType + `","errorMessage":"` + message + `","trace":[` + trace + `]}`
}

// jsRecord is how an error is logged: of whom (an event's ID, or undefined while
// loading), what happened, and the error with more members.
func jsRecord(of, what, errorType, message, more, trace string) string {
	return "<time>\t" + of + "\tERROR\t" + what + " \t" +
		`{"errorType":"` + errorType + `","errorMessage":"` + message + `",` + more + `"stack":[` + trace + "]}\n"
}

// jsBelow is where a handler was called from.
const jsBelow = `,"    at Runtime.handleOnceNonStreaming (file:///var/runtime/<...>)"`

// jsCannotLoad is a function that can't be loaded.
func jsCannotLoad(name string, f function, errorType, message, trace string) failure {
	return cannotLoad(name, f, errorType, jsObject(errorType, message, trace), jsRecord("undefined", "Uncaught Exception", errorType, message, "", trace))
}

// jsThrows is a handler that throws in line 3, at a column.
func jsThrows(name string, f function, errorType, message, more, column string) failure {
	trace := `"` + errorType + `: ` + message + `",<...>"    at exports.handler (/var/task/index.js:` + column + `)"` + jsBelow
	if !strings.Contains(more, `"code":"E`) { // thrown by Node itself, deeper inside
		trace = strings.Replace(trace, "<...>", "", 1)
	}
	return fails(name, f, jsObject(errorType, message, trace), jsRecord("<id>", "Invoke Error", errorType, message, more, trace)).with(do)
}

// jsCrashes is a handler that answers an error and takes its process down.
func jsCrashes(name string, f function, code, object, printed string) failure {
	c := exits(name, f, exitError, withCode+code, printed).with(do)
	c.object = object
	return c
}

func TestNodejsFails(t *testing.T) {
	doing := func(body ...string) function { return nodejsDoing(t, body...) }
	const (
		unstringified = `"Error: Unable to stringify response body",<...>`
		lostTrace     = `"Runtime.UnhandledPromiseRejection: Error: lost","    at process.<anonymous> (file:///var/runtime/<...>)",<...>`
		besideTrace   = `"Error: beside","    at Timeout._onTimeout (/var/task/index.js:3:27)",<...>`
		neverSettled  = "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes"
		noModule      = `Error: Cannot find module 'nosuch'\nRequire stack:\n- /var/task/index.js\n- /var/runtime/index.mjs`
		noESModule    = "Cannot find module '/var/task/nosuch.mjs' imported from /var/task/index.mjs"
		noESTrace     = `"Error [ERR_MODULE_NOT_FOUND]: ` + noESModule + `",<...>`
		earlyTrace    = `"RangeError: early","    at Object.<anonymous> (/var/task/index.js:2:7)",<...>`
		callbackWarns = "<time>\tundefined\tWARN\tAWS Lambda plans to remove support for callback-based function handlers starting with Node.js 24. You will need to update this function to use an async handler to use Node.js 24 or later. For more information and to provide feedback on this change, see https://github.com/aws/aws-lambda-nodejs-runtime-interface-client/issues/137. To disable this warning, set the AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING environment variable.\n"
		callbackTrace = `"RangeError: no","    at exports.handler (/var/task/index.js:3:12)"` + jsBelow
	)
	callback := fails("a callback's error", nodejs(t, "exports.handler = (event, context, callback) => {\n  if (!event.do) return callback(null, 'fine');\n  callback(new RangeError('no'));\n};\n"),
		jsObject("RangeError", "no", callbackTrace), jsRecord("<id>", "Invoke Error", "RangeError", "no", "", callbackTrace)).with(do)
	callback.log = strings.Replace(callback.log, start, callbackWarns+start, 1)

	runFailures(t, []failure{
		// Load.
		jsCannotLoad("a module that is missing", nodejs(t, "require('nosuch');\n"), "Runtime.ImportModuleError", noModule,
			`"Runtime.ImportModuleError: Error: Cannot find module 'nosuch'","Require stack:","- /var/task/index.js","- /var/runtime/index.mjs",<...>`),
		jsCannotLoad("the handler's module is missing", function{runtime: "nodejs20.x", handler: "other.handler", code: zipped(t, map[string]string{"index.js": ""})}, "Runtime.ImportModuleError",
			`Error: Cannot find module 'other'\nRequire stack:\n- /var/runtime/index.mjs`,
			`"Runtime.ImportModuleError: Error: Cannot find module 'other'","Require stack:","- /var/runtime/index.mjs",<...>`),
		jsCannotLoad("a syntax error", nodejs(t, "exports.handler = async () => {\n"), "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of input",
			`"Runtime.UserCodeSyntaxError: SyntaxError: Unexpected end of input",<...>`),
		jsCannotLoad("a missing handler", nodejs(t, "exports.other = 1;\n"), "Runtime.HandlerNotFound", "index.handler is undefined or not exported",
			`"Runtime.HandlerNotFound: index.handler is undefined or not exported",<...>`),
		jsCannotLoad("a handler that is no function", nodejs(t, "exports.handler = 5;\n"), "Runtime.HandlerNotFound", "index.handler is not a function",
			`"Runtime.HandlerNotFound: index.handler is not a function",<...>`),
		jsCannotLoad("a malformed handler name", function{runtime: "nodejs20.x", handler: "index", code: zipped(t, map[string]string{"index.js": ""})}, "Runtime.MalformedHandlerName", "Bad handler",
			`"Runtime.MalformedHandlerName: Bad handler",<...>`),
		// Of an exception of the function's own the platform says that it is unknown.
		cannotLoad("an exception while loading", nodejs(t, "console.log('loading');\nthrow new RangeError('early');\n"), "Runtime.Unknown", jsObject("RangeError", "early", earlyTrace),
			"<time>\tundefined\tINFO\tloading\n"+jsRecord("undefined", "Uncaught Exception", "RangeError", "early", "", earlyTrace)),
		cannotLoad("an ES module that is missing", function{runtime: "nodejs20.x", handler: "index.handler", code: zipped(t, map[string]string{"index.mjs": "import './nosuch.mjs';\n"})},
			"Runtime.Unknown", jsObject("Error", noESModule, noESTrace),
			jsRecord("undefined", "Uncaught Exception", "Error", noESModule, `"code":"ERR_MODULE_NOT_FOUND","url":"file:///var/task/nosuch.mjs",`, noESTrace)),
		cannotStart("process.exit while loading", nodejs(t, "process.exit(9);\n"), exitError, withCode+"9", ""),
		cannotStart("process.exit(0) while loading", nodejs(t, "process.exit(0);\n"), exitError, noReason, ""),
		byLimit(cannotStart("out of memory while loading", nodejs(t, "Buffer.alloc(300 << 20, 1);\n"), outOfMemory, bySignal+"killed", "")),

		// Run.
		jsThrows("an exception", doing("throw new TypeError('bad value');"), "TypeError", "bad value", "", "3:9"),
		jsThrows("an exception with a cause and a code", doing("throw Object.assign(new Error('outer', {cause: new Error('inner')}), {code: 7});"), "Error", "outer", `"code":7,`, "3:23"),
		jsThrows("an exception class of its own", doing("class Own extends Error {} Own.prototype.name = 'Own'; throw new Own('own words');"), "Own", "own words", "", "3:64"),
		fails("a thrown string", doing("throw 'plain words';"), jsObject("string", "plain words", ""),
			jsRecord("<id>", "Invoke Error", "Error", "plain words", "", `"Error: plain words",<...>`)).with(do),
		callback,
		jsCrashes("an unhandled rejection", doing("Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1000));"), "128",
			jsObject("Runtime.UnhandledPromiseRejection", "Error: lost", lostTrace),
			jsRecord("<id>", "Unhandled Promise Rejection", "Runtime.UnhandledPromiseRejection", "Error: lost",
				`"reason":{"errorType":"Error","errorMessage":"lost","stack":["Error: lost","    at exports.handler (/var/task/index.js:3:18)"`+jsBelow+`]},"promise":{},`, lostTrace)),
		jsCrashes("an exception in a timer", doing("setTimeout(() => {throw new Error('beside');}); await new Promise((r) => setTimeout(r, 1000));"), "129",
			jsObject("Error", "beside", besideTrace), jsRecord("<id>", "Uncaught Exception", "Error", "beside", "", besideTrace)),
		fails("a promise that never settles", doing("await new Promise(() => {});"), jsObject("Runtime.NodeJsExit", neverSettled, `"Runtime.NodeJsExit: `+neverSettled+`",<...>`),
			jsRecord("<id>", "Invoke Error", "Runtime.NodeJsExit", neverSettled, "", `"Runtime.NodeJsExit: `+neverSettled+`",<...>`)).with(do),
		fails("a circular result", doing("const a = {}; a.a = a; return a;"), jsObject("Error", "Unable to stringify response body", unstringified),
			jsRecord("<id>", "Invoke Error", "Error", "Unable to stringify response body", "", unstringified)).with(do),
		fails("an unserialisable result", doing("return 1n;"), jsObject("Error", "Unable to stringify response body", unstringified),
			jsRecord("<id>", "Invoke Error", "Error", "Unable to stringify response body", "", unstringified)).with(do),
		fails("recursion without end", doing("const f = () => f() + 1; return f();"), jsObject("RangeError", "Maximum call stack size exceeded", `"RangeError: Maximum call stack size exceeded",<...>"    at f (/var/task/index.js:3:19)"`),
			jsRecord("<id>", "Invoke Error", "RangeError", "Maximum call stack size exceeded", "", `"RangeError: Maximum call stack size exceeded",<...>"    at f (/var/task/index.js:3:19)"`)).with(do),
		jsThrows("a write to the code", doing("require('fs').writeFileSync('/var/task/new', 'x');"), "Error", "EROFS: read-only file system, open '/var/task/new'",
			`"code":"EROFS","errno":-30,"syscall":"open","path":"/var/task/new",`, "3:17"),

		// Exit.
		exits("process.exit", doing("console.log('leaving'); process.exit(7);"), exitError, withCode+"7", "<time>\t<id>\tINFO\tleaving\n").with(do),
		exits("process.exit(0)", doing("process.exit(0);"), exitError, noReason, "").with(do),
		exits("a signal to itself", doing("process.kill(process.pid, 'SIGKILL'); await new Promise((r) => setTimeout(r, 1000));"), exitError, bySignal+"killed", "").with(do),

		// Time-out.
		timesOut("a time-out", doing("console.log('sleeping'); await new Promise((r) => setTimeout(r, 100000));"), "<time>\t<id>\tINFO\tsleeping\n").with(do),
		timesOut("a time-out in a loop", doing("for (;;);"), "").with(do),

		// Memory.
		byLimit(exits("out of memory", doing("return Buffer.alloc(300 << 20, 1).length;"), outOfMemory, bySignal+"killed", "").with(do)),
		byLimit(survives("a child out of memory", doing("return require('child_process').spawnSync(process.execPath, ['-e', 'Buffer.alloc(300 << 20, 1)']).signal;"), `"SIGKILL"`, "").with(do)),

		// Size, and other limits.
		fails("an answer that is too large", large(doing("return 'x'.repeat(6291556 - 1);")), tooLarge, refused).with(do),
		survives("the largest answer", large(doing("return 'x'.repeat(6291556 - 2);")), `"<...>"`, "").with(do),
		jsThrows("a full /tmp", large(doing("const fs = require('fs'), f = fs.openSync('/tmp/full', 'w'), b = Buffer.alloc(8 << 20); try { for (;;) fs.writeSync(f, b); } finally { fs.closeSync(f); fs.unlinkSync('/tmp/full'); }")),
			"Error", "ENOSPC: no space left on device, write", `"code":"ENOSPC","errno":-28,"syscall":"write",`, "3:109"),
		jsThrows("too many files", doing("const fs = require('fs'), open = []; try { for (;;) open.push(fs.openSync('/dev/null')); } finally { open.forEach((f) => fs.closeSync(f)); }"),
			"Error", "EMFILE: too many open files, open '/dev/null'", `"code":"EMFILE","errno":-24,"syscall":"open","path":"/dev/null",`, "3:68"),
		byLimit(fails("too many processes", large(doing(
			"const {spawn} = require('child_process'), children = [];",
			"const failed = await new Promise((resolve) => { for (let n = 0; n < 1100; n++) { const c = spawn('/bin/sleep', ['100'], {stdio: 'ignore'}); c.on('error', resolve); if (c.pid) children.push(c); } });",
			"await Promise.all(children.map((c) => { c.kill('SIGKILL'); return new Promise((r) => c.on('exit', r)); }));",
			"throw failed;")),
			jsObject("Error", "spawn /bin/sleep EAGAIN", `"Error: spawn /bin/sleep EAGAIN",<...>`),
			jsRecord("<id>", "Invoke Error", "Error", "spawn /bin/sleep EAGAIN", `"code":"EAGAIN","errno":-11,"syscall":"spawn /bin/sleep","path":"/bin/sleep","spawnargs":["100"],`, `"Error: spawn /bin/sleep EAGAIN",<...>`)).with(do)),
	})
}
