package runtimes

import "testing"

// TestNodejs24Fails: from Node.js 24 on AWS's client is another one, which fails in ways
// of its own.
func TestNodejs24Fails(t *testing.T) {
	newer := func(f function) function {
		f.runtime = "nodejs24.x"
		return f
	}
	doing := func(body ...string) function { return newer(nodejsDoing(t, body...)) }
	const (
		// The client reports an error and throws it again: Node itself prints it, too.
		nodeItself  = "node:internal/process/promises:<...>\n<lines>\nNode.js v<...>\n"
		noModule    = `Error: Cannot find module 'nosuch'\nRequire stack:\n- /var/task/index.js`
		noHandler   = "index.handler is undefined or not exported"
		noCallbacks = "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html."
		thrown      = `"TypeError: bad value","    at exports.handler (/var/task/index.js:3:9)","    at BufferedInvokeProcessor.processInvoke (file:///var/runtime/<...>)",<...>`
		stringify   = "Unable to stringify response body"
	)
	// load is a function that can't be loaded; what the platform calls it says known.
	load := func(name string, f function, known, errorType, message, more, trace string) failure {
		return cannotLoad(name, newer(f), known, jsObject(errorType, message, trace),
			jsRecord("-", "Init Error", errorType, message, more, trace)+nodeItself)
	}
	runFailures(t, []failure{
		// Load.
		load("a module that is missing", nodejs(t, "require('nosuch');\n"), "Runtime.ImportModuleError", "Runtime.ImportModuleError", noModule, `"name":"Runtime.ImportModuleError",`,
			`"Runtime.ImportModuleError: Error: Cannot find module 'nosuch'","Require stack:","- /var/task/index.js",<...>`),
		load("a syntax error", nodejs(t, "exports.handler = async () => {\n"), "Runtime.UserCodeSyntaxError", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of input",
			`"name":"Runtime.UserCodeSyntaxError",`, `"/var/task/index.js:2",<...>"SyntaxError: Unexpected end of input",<...>`),
		load("a missing handler", nodejs(t, "exports.other = 1;\n"), "Runtime.HandlerNotFound", "Runtime.HandlerNotFound", noHandler, `"name":"Runtime.HandlerNotFound",`,
			`"Runtime.HandlerNotFound: `+noHandler+`",<...>`),
		load("a handler with a callback", nodejs(t, "exports.handler = (event, context, callback) => callback(null, 1);\n"), "Runtime.CallbackHandlerDeprecated", "Runtime.CallbackHandlerDeprecated", noCallbacks,
			`"name":"Runtime.CallbackHandlerDeprecated",`, `"Runtime.CallbackHandlerDeprecated: `+noCallbacks+`",<...>`),
		load("an exception while loading", nodejs(t, "throw new RangeError('early');\n"), "Runtime.Unknown", "RangeError", "early", "",
			`"RangeError: early","    at Object.<anonymous> (/var/task/index.js:1:7)",<...>`),
		cannotStart("process.exit while loading", newer(nodejs(t, "process.exit(9);\n")), exitError, withCode+"9", ""),

		// Run.
		fails("an exception", doing("throw new TypeError('bad value');"), jsObject("TypeError", "bad value", thrown),
			jsRecord("<id>", "Invoke Error", "TypeError", "bad value", "", thrown)).with(do),
		fails("an unserialisable result", doing("return 1n;"), jsObject("Runtime.JSONStringifyError", stringify, `"Runtime.JSONStringifyError: `+stringify+`",<...>`),
			jsRecord("<id>", "Invoke Error", "Runtime.JSONStringifyError", stringify, `"name":"Runtime.JSONStringifyError",`, `"Runtime.JSONStringifyError: `+stringify+`",<...>`)).with(do),
		// Nobody catches these: Node itself prints them and ends.
		exits("an unhandled rejection", doing("Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1000));"), exitError, withCode+"1",
			"/var/task/index.js:3\n<lines>Error: lost\n    at exports.handler (/var/task/index.js:3:18)\n<lines>\nNode.js v<...>\n").with(do),
		exits("an exception in a timer", doing("setTimeout(() => {throw new Error('beside');}); await new Promise((r) => setTimeout(r, 1000));"), exitError, withCode+"1",
			"/var/task/index.js:3\n<lines>Error: beside\n    at Timeout._onTimeout (/var/task/index.js:3:27)\n<lines>\nNode.js v<...>\n").with(do),

		// Exit, time-out, memory, size.
		exits("a promise that never settles", doing("await new Promise(() => {});"), exitError, noReason, "").with(do),
		exits("process.exit", doing("process.exit(7);"), exitError, withCode+"7", "").with(do),
		timesOut("a time-out", doing("for (;;);"), "").with(do),
		byLimit(exits("out of memory", doing("return Buffer.alloc(300 << 20, 1).length;"), outOfMemory, bySignal+"killed", "").with(do)),
		fails("an answer that is too large", large(doing("return 'x'.repeat(6291556 - 1);")), tooLarge, refused).with(do),
	})
}
