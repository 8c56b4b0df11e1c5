package runtimes

import (
	"strconv"
	"strings"
	"testing"
)

// python is a function whose handler is handler in app.py.
func python(t *testing.T, source string) function {
	t.Helper()
	return function{runtime: "python3.12", handler: "app.handler", code: zipped(t, map[string]string{"app.py": source})}
}

// pythonDoing is a function that does as its body says, from line 6 on, when the event
// asks for it, and else answers "fine".
func pythonDoing(t *testing.T, imports string, body ...string) function {
	t.Helper()
	return python(t, "import "+imports+"\n\ndef handler(event, context):\n    if not event:\n        return 'fine'\n    "+strings.Join(body, "\n    ")+"\n")
}

// pyObject is an error object; trace is its frames, as text in JSON.
func pyObject(errorType, message, id, trace string) string {
	return `{"errorMessage": "` + message + `", "errorType": "` + errorType + `", "requestId": "` + id + `", "stackTrace": [` + trace + `]}`
}

// pyRecord is how an exception is logged: spaces that indent can't be broken, so that the
// record stays one.
func pyRecord(errorType, message string, trace ...string) string {
	text := "[ERROR] " + errorType + ": " + message + "\nTraceback (most recent call last):\n"
	for _, line := range trace {
		indented := strings.TrimLeft(line, " ")
		text += strings.Repeat("\u00a0", len(line)-len(indented)) + indented + "\n"
	}
	return text
}

// pyFrame is one frame of a handler made by pythonDoing, in an object and in a record.
func pyFrame(line int, code string) (inObject string, inRecord []string) {
	at := "line " + strconv.Itoa(line) + ", in handler"
	return `"  File \"/var/task/app.py\", ` + at + `\n    ` + code + `\n"`,
		[]string{`  File "/var/task/app.py", ` + at, "    " + code}
}

// pyWarning goes before what a function that can't be loaded logs.
const pyWarning = "[WARNING]\t<time>\t\tLAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, a Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, runtime updates can be triggered by a function change, or can be applied automatically. To determine if the runtime has been updated, check the runtime version in the INIT_START log entry. If this error correlates with a change in the runtime version, you may be able to mitigate this error by temporarily rolling back to the previous runtime version. For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r\n"

// pyCannotLoad is a function that can't be loaded, with nothing of its own in the trace.
func pyCannotLoad(name string, f function, errorType, message string) failure {
	return cannotLoad(name, f, errorType, pyObject(errorType, message, "", ""), pyWarning+pyRecord(errorType, message))
}

// pyRaises is a handler that raises in a line.
func pyRaises(name string, f function, errorType, message string, line int, code string) failure {
	inObject, inRecord := pyFrame(line, code)
	return fails(name, f, pyObject(errorType, message, "<id>", inObject), pyRecord(errorType, message, inRecord...)).with(do)
}

// do is the event with which the functions of these tables fail.
const do = `{"do":true}`

func TestPythonFails(t *testing.T) {
	doing := func(imports string, body ...string) function { return pythonDoing(t, imports, body...) }
	runFailures(t, []failure{
		// Load.
		pyCannotLoad("a module that is missing", python(t, "import nosuchmodule\n"),
			"Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nosuchmodule'"),
		pyCannotLoad("the handler's module is missing", function{runtime: "python3.12", handler: "other.handler", code: zipped(t, map[string]string{"app.py": ""})},
			"Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
		cannotLoad("a syntax error", python(t, "def handler(event, context)\n    return 1\n"), "Runtime.UserCodeSyntaxError",
			pyObject("Runtime.UserCodeSyntaxError", "Syntax error in module 'app': expected ':' (app.py, line 1)", "",
				`"  File \"/var/task/app.py\" Line 1\n    def handler(event, context)\n"`),
			pyWarning+pyRecord("Runtime.UserCodeSyntaxError", "Syntax error in module 'app': expected ':' (app.py, line 1)",
				`  File "/var/task/app.py" Line 1`, "    def handler(event, context)")),
		pyCannotLoad("a missing handler", python(t, "x = 1\n"),
			"Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
		pyCannotLoad("a malformed handler name", function{runtime: "python3.12", handler: "app", code: zipped(t, map[string]string{"app.py": ""})},
			"Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
		// Of an exception of the function's own the platform says that it is unknown.
		cannotLoad("an exception at import", python(t, "print('loading')\nraise KeyError('early')\n"), "Runtime.Unknown",
			pyObject("KeyError", "'early'", "", `"  File \"/var/lang/lib/<...>/importlib/__init__.py\", line <n>, in import_module\n<...>", "  File \"/var/task/app.py\", line 2, in <module>\n    raise KeyError('early')\n"`),
			"loading\n"+pyWarning+"[ERROR] KeyError: 'early'\nTraceback (most recent call last):\n<lines>\u00a0\u00a0File \"/var/task/app.py\", line 2, in <module>\n\u00a0\u00a0\u00a0\u00a0raise KeyError('early')\n"),
		cannotStart("sys.exit at import", python(t, "import sys\nsys.exit(3)\n"), exitError, withCode+"3", ""),
		cannotStart("sys.exit(0) at import", python(t, "import sys\nsys.exit(0)\n"), exitError, noReason, ""),
		cannotStart("os._exit at import", python(t, "import os\nprint('bye', flush=True)\nos._exit(9)\n"), exitError, withCode+"9", "bye\n"),
		byLimit(cannotStart("out of memory at import", python(t, "x = b'x' * (300 << 20)\n"), outOfMemory, bySignal+"killed", "")),

		// Run.
		pyRaises("an exception", doing("os", "raise ValueError('bad value')"), "ValueError", "bad value", 6, "raise ValueError('bad value')"),
		pyRaises("an exception with a cause", doing("os", "try:", "    {}['key']", "except KeyError as e:", "    raise RuntimeError('outer') from e"),
			"RuntimeError", "outer", 9, "raise RuntimeError('outer') from e"),
		pyRaises("an exception class of its own", doing("os", "class Own(Exception):", "    def __str__(self):", "        return 'own words'", "raise Own('x')"),
			"Own", "own words", 9, "raise Own('x')"),
		pyRaises("a write to the code", doing("os", "open('/var/task/new', 'w')"), "OSError", "[Errno 30] Read-only file system: '/var/task/new'", 6, "open('/var/task/new', 'w')"),
		fails("recursion without end", doing("os", "return handler(event, context)"),
			pyObject("RecursionError", "maximum recursion depth exceeded<...>", "<id>", `"  File \"/var/task/app.py\", line 6, in handler\n    return handler(event, context)\n", <...>"  [Previous line repeated <n> more times]\n"<...>`),
			"[ERROR] RecursionError: maximum recursion depth exceeded<...>\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/app.py\", line 6, in handler\n\u00a0\u00a0\u00a0\u00a0return handler(event, context)\n<lines>\u00a0\u00a0[Previous line repeated <n> more times]\n<lines>").with(do),
		fails("an unserialisable result", doing("os", "return {1, 2}"),
			pyObject("Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable", "<id>", ""),
			pyRecord("Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable")).with(do),
		fails("a circular result", doing("os", "a = []", "a.append(a)", "return a"),
			pyObject("Runtime.MarshalError", "Unable to marshal response: Circular reference detected", "<id>", ""),
			pyRecord("Runtime.MarshalError", "Unable to marshal response: Circular reference detected")).with(do),
		survives("an exception in a thread", doing("threading", "t = threading.Thread(target=lambda: 1 / 0, name='worker')", "t.start()", "t.join()", "return 'joined'"), `"joined"`,
			"Exception in thread worker:\nTraceback (most recent call last):\n<lines>  File \"/var/task/app.py\", line 6, in <lambda>\n    t = threading.Thread(target=lambda: 1 / 0, name='worker')\n<lines>ZeroDivisionError: division by zero\n").with(do),

		// Exit.
		exits("sys.exit", doing("sys", "print('leaving')", "sys.exit(1)"), exitError, withCode+"1", "leaving\n").with(do),
		exits("sys.exit(0)", doing("sys", "sys.exit(0)"), exitError, noReason, "").with(do),
		exits("os._exit", doing("os", "os._exit(7)"), exitError, withCode+"7", "").with(do),
		exits("a segmentation fault", doing("ctypes", "ctypes.string_at(0)"), exitError, bySignal+"segmentation fault", "").with(do),
		exits("SIGTERM to itself", doing("os, signal, time", "os.kill(os.getpid(), signal.SIGTERM)", "time.sleep(10)"), exitError, bySignal+"terminated", "").with(do),

		// Time-out.
		timesOut("a time-out", doing("time", "print('sleeping')", "time.sleep(100)"), "sleeping\n").with(do),
		timesOut("a time-out in a loop", doing("time", "while True:", "    pass"), "").with(do),

		// Memory.
		byLimit(exits("out of memory", doing("os", "x = b'x' * (300 << 20)"), outOfMemory, bySignal+"killed", "").with(do)),
		byLimit(survives("a child out of memory", doing("subprocess, sys", "return subprocess.run([sys.executable, '-c', 'x = b\"x\" * (300 << 20)']).returncode"), `-9`, "").with(do)),

		// Size, and other limits.
		pyTooLarge(large(doing("os", "return 'x' * (6291556 - 1)"))),
		survives("the largest answer", large(doing("os", "return 'x' * (6291556 - 2)")), `"<...>"`, "").with(do),
		fails("an error that is too large", large(doing("os", "raise Exception('x' * (7 << 20))")), tooLarge,
			"[ERROR] Exception: <lines>Traceback (most recent call last):\n\u00a0\u00a0File \"/var/task/app.py\", line 6, in handler\n\u00a0\u00a0\u00a0\u00a0raise Exception('x' * (7 << 20))\n").with(do),
		pyRaises("a full /tmp", large(doing("os", "f = open('/tmp/full', 'wb', 0)", "try:", "    while f.write(bytes(8 << 20)): pass", "    f.write(b'more')", "finally:", "    os.unlink('/tmp/full')")),
			"OSError", "[Errno 28] No space left on device", 8, "while f.write(bytes(8 << 20)): pass"),
		fails("too many files", doing("os", "files = []", "while True:", "    files.append(open('/dev/null'))"),
			pyObject("OSError", "[Errno 24] Too many open files: '/dev/null'", "<id>", `"  File \"/var/task/app.py\", line 8, in handler\n<...>"`),
			"[ERROR] OSError: [Errno 24] Too many open files: '/dev/null'\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/app.py\", line 8, in handler\n<lines>").with(do),
		byLimit(pyRaises("too many processes", large(doing("os, signal", "children = []", "try:", "    while True:", "        pid = os.fork()", "        if not pid:", "            signal.pause()", "        children.append(pid)",
			"finally:", "    for pid in children:", "        os.kill(pid, signal.SIGKILL)", "        os.waitpid(pid, 0)")),
			"BlockingIOError", "[Errno 11] Resource temporarily unavailable", 9, "pid = os.fork()")),
	})
}

// pyTooLarge is a function whose answer is refused. AWS's Python client doesn't survive
// that.
func pyTooLarge(f function) failure {
	c := exits("an answer that is too large", f, exitError, withCode+"1",
		pythonRefused+"Traceback (most recent call last):\n<lines>RuntimeError: Failed to post invocation response\n").with(do)
	c.object = tooLarge
	return c
}
