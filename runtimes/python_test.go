package runtimes

import (
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

func py(source string) program {
	return program{Runtime: "python3.12", Handler: "app.handler", Files: map[string]string{"app.py": source}}
}

func pyNamed(handler string, files map[string]string) program {
	return program{Runtime: "python3.12", Handler: handler, Files: files}
}

const pyUnhandled = "\\[WARNING\\]\t" + timestamp + "\t\tLAMBDA_WARNING: Unhandled exception\\..*runtimes-update.html\r\n"

func TestPythonBehaves(t *testing.T) { runBehaviours(t, pythonBehaviours()) }

func pythonBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a result is JSON with spaces as json.dumps writes it", ok: true,
			program: py("def handler(event, context):\n    return {'got': event, 'n': [1, 2.5, None, True]}\n"),
			event:   event{Payload: `{"a":"ü"}`},
			body:    `\{"got": \{"a": "ü"\}, "n": \[1, 2.5, null, true\]\}`,
		},
		{
			name: "older runtimes escape what isn't ASCII", ok: true,
			program: program{Runtime: "python3.11", Handler: "app.handler", Files: map[string]string{"app.py": "def handler(e, c):\n    return 'ü\u2028'\n"}},
			body:    `"\\u00fc\\u2028"`,
		},
		{
			name: "no result is null", ok: true,
			program: py("def handler(event, context):\n    pass\n"), body: `null`,
		},
		{
			name: "bytes are answered as they are", ok: true,
			program: py("def handler(event, context):\n    return b'raw \\xff'\n"), body: `raw .`,
		},
		{
			name: "a Decimal is a number, a named tuple an object, bytes inside are text", ok: true,
			program: py("from decimal import Decimal\nfrom collections import namedtuple\nP = namedtuple('P', 'x y')\ndef handler(e, c):\n    return {'d': Decimal('1.10'), 'nan': Decimal('NaN'), 'p': P(1, [P(2, 3)]), b'k': b'v', 1: {None: 1.5}, 't': (1,), 'e': [], 'o': {}}\n"),
			body:    `\{"d": 1.10, "nan": NaN, "p": \{"x": 1, "y": \[\{"x": 2, "y": 3\}\]\}, "k": "v", "1": \{"null": 1.5\}, "t": \[1\], "e": \[\], "o": \{\}\}`,
		},
		{
			name:    "an exception is an error object with its trace, and a log record",
			program: py("def handler(event, context):\n    raise ValueError('bad')\n"),
			body:    `\{"errorMessage": "bad", "errorType": "ValueError", "requestId": "` + runner.RequestID + `", "stackTrace": \["  File \\"/[^ ]*/app.py\\", line 2, in handler\\n    raise ValueError\('bad'\)\\n"\]\}`,
			header:  "ValueError",
			log:     "\\[ERROR\\] ValueError: bad\nTraceback \\(most recent call last\\):\n\u00a0\u00a0File \"/[^ ]*/app.py\", line 2, in handler\n\u00a0\u00a0\u00a0\u00a0raise ValueError\\('bad'\\)\n",
		},
		{
			name:    "python3.8 has no request ID in its error object",
			program: program{Runtime: "python3.8", Handler: "app.handler", Files: map[string]string{"app.py": "def handler(e, c):\n    raise Exception('Failed: x')\n"}},
			body:    `\{"errorMessage": "Failed: x", "errorType": "Exception", "stackTrace": \[.*\]\}`,
		},
		{
			name:    "a result without a JSON form",
			program: py("def handler(event, context):\n    return {1, 2}\n"),
			body:    `\{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "` + runner.RequestID + `", "stackTrace": \[\]\}`,
			header:  "Runtime.MarshalError",
			log:     "\\[ERROR\\] Runtime.MarshalError: Unable to marshal response: Object of type set is not JSON serializable\nTraceback \\(most recent call last\\):\n",
		},
		{
			name:    "a result that holds itself",
			program: py("def handler(event, context):\n    a = []\n    a.append(a)\n    return a\n"),
			body:    `\{"errorMessage": "Unable to marshal response: Circular reference detected".*`,
		},
		{
			name:    "keys of another kind",
			program: py("def handler(event, context):\n    return {(1, 2): 3}\n"),
			body:    `\{"errorMessage": "Unable to marshal response: keys must be str, int, float, bool or None, not tuple".*`,
		},
		{
			name: "a module that is missing", init: true, exit: "exit status 1",
			program: py("import nosuchmodule\n"),
			body:    `\{"errorMessage": "Unable to import module 'app': No module named 'nosuchmodule'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": \[\]\}`,
			header:  "Runtime.ImportModuleError",
			log:     pyUnhandled + "\\[ERROR\\] Runtime.ImportModuleError: Unable to import module 'app': No module named 'nosuchmodule'\nTraceback \\(most recent call last\\):\n",
		},
		{
			name: "the handler's own module is missing", init: true, exit: "exit status 1",
			program: pyNamed("other.handler", map[string]string{"app.py": ""}),
			body:    `\{"errorMessage": "Unable to import module 'other': No module named 'other'".*`,
		},
		{
			name: "a handler that is missing", init: true, exit: "exit status 1",
			program: py("x = 1\n"),
			body:    `\{"errorMessage": "Handler 'handler' missing on module 'app'", "errorType": "Runtime.HandlerNotFound", "requestId": "", "stackTrace": \[\]\}`,
			header:  "Runtime.HandlerNotFound",
		},
		{
			name: "a handler name without a dot", init: true, exit: "exit status 1",
			program: pyNamed("app", map[string]string{"app.py": ""}),
			body:    `\{"errorMessage": "Bad handler 'app': not enough values to unpack \(expected 2, got 1\)", "errorType": "Runtime.MalformedHandlerName".*`,
		},
		{
			name: "a module named like one built in", init: true, exit: "exit status 1",
			program: pyNamed("sys.handler", map[string]string{"sys.py": ""}),
			body:    `\{"errorMessage": "Cannot use built-in module sys as a handler module", "errorType": "Runtime.BuiltInModuleConflict".*`,
		},
		{
			name: "a syntax error", init: true, exit: "exit status 1",
			program: py("def handler(event, context)\n    return 1\n"),
			body:    `\{"errorMessage": "Syntax error in module 'app': expected ':' \(app.py, line 1\)", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": \["  File \\"/[^ ]*/app.py\\" Line 1\\n    def handler\(event, context\)\\n"\]\}`,
			header:  "Runtime.UserCodeSyntaxError",
		},
		{
			name: "an exception while the module is imported", init: true, exit: "exit status 1",
			program: py("raise KeyError('early')\n"),
			body:    `\{"errorMessage": "'early'", "errorType": "KeyError", "requestId": "", "stackTrace": \["  File \\"/[^ ]*/importlib/__init__.py\\", line \d+, in import_module\\n.*app.py.*\]\}`,
			header:  "KeyError",
			log:     pyUnhandled + `\[ERROR\] KeyError: 'early'` + "\n.*",
		},
		{
			name: "sys.exit while the module is imported", init: true, noAnswer: true, exit: "exit status 3",
			program: py("import sys\nsys.exit(3)\n"),
		},
		{
			name: "sys.exit in the handler", noAnswer: true, exit: "exit status 4",
			program: py("import sys\ndef handler(event, context):\n    sys.exit(4)\n"),
		},
		{
			name: "os._exit in the handler", noAnswer: true, exit: "exit status 5",
			program: py("import os\ndef handler(event, context):\n    os._exit(5)\n"),
		},
		{
			name: "a signal in the handler", noAnswer: true, exit: "signal: segmentation fault",
			program: py("import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"),
		},
		{
			name: "a package's module by its path", ok: true,
			program: pyNamed("pkg/sub/mod.handler", map[string]string{"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/mod.py": "from ..near import x\ndef handler(e, c):\n    return x\n", "pkg/near.py": "x = 7\n"}),
			body:    `7`,
		},
		{
			name: "a package's module by its dotted name", ok: true,
			program: pyNamed("a.b.handler", map[string]string{"a/__init__.py": "", "a/b.py": "def handler(e, c):\n    return __name__\n"}),
			body:    `"a.b"`,
		},
		{
			name: "print goes line by line and in order with log records", ok: true,
			program: py("import logging, sys\ndef handler(e, c):\n    print('one\\ntwo')\n    logging.warning('three\\nfour %s', 4)\n    sys.stderr.write('five\\n')\n    logging.info('dropped')\n"),
			body:    `null`,
			log:     "one\ntwo\n\\[WARNING\\]\t" + timestamp + "\t" + runner.RequestID + "\tthree\nfour 4\nfive\n",
		},
		{
			name: "the root logger has the function's level", ok: true,
			program: py("import logging\nlogging.getLogger().setLevel('INFO')\ndef handler(e, c):\n    logging.info('kept')\n"),
			body:    `null`,
			log:     "\\[INFO\\]\t" + timestamp + "\t" + runner.RequestID + "\tkept\n",
		},
		{
			name: "JSON log records", ok: true,
			program: program{
				Runtime: "python3.12", Handler: "app.handler", Logging: jsonLogging,
				Files: map[string]string{"app.py": "import logging\nlog = logging.getLogger('mine')\ndef handler(e, c):\n    log.debug('hello %s', 'x', extra={'k': [1]})\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        log.exception('oh')\n    print('plain')\n"},
			},
			body: `null`,
			log: `\{"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "level": "DEBUG", "message": "hello x", "logger": "mine", "requestId": "` + runner.RequestID + `", "k": \[1\]\}` + "\n" +
				`\{"timestamp": "[^"]*", "level": "ERROR", "message": "oh", "logger": "mine", "stackTrace": \["  File .*\\n"\], "errorType": "ZeroDivisionError", "errorMessage": "division by zero", "requestId": "` + runner.RequestID + `", "location": "/[^"]*/app.py:handler:8"\}` + "\nplain\n",
		},
		{
			name: "JSON log level filters", ok: true,
			program: program{
				Runtime: "python3.12", Handler: "app.handler", Logging: wick.LoggingConfig{Format: "JSON", ApplicationLevel: "ERROR"},
				Files: map[string]string{"app.py": "import logging\ndef handler(e, c):\n    logging.warning('no')\n    logging.error('yes')\n"},
			},
			body: `null`,
			log:  `\{"timestamp": "[^"]*", "level": "ERROR", "message": "yes", "logger": "root", "requestId": "` + runner.RequestID + `"\}` + "\n",
		},
		{
			name: "an exception in JSON form",
			program: program{
				Runtime: "python3.12", Handler: "app.handler", Logging: jsonLogging,
				Files: map[string]string{"app.py": "def handler(e, c):\n    raise ValueError('bad')\n"},
			},
			body: `\{"errorMessage": "bad".*`,
			log:  `\{"timestamp": "[^"]*", "level": "ERROR", "errorMessage": "bad", "errorType": "ValueError", "requestId": "` + runner.RequestID + `", "stackTrace": \[.*\]\}` + "\n",
		},
		{
			name: "the context", ok: true,
			program: py("def handler(e, c):\n    return [repr(c), 50000 < c.get_remaining_time_in_millis() <= 60000, c.client_context.custom, c.client_context.client.app_title, c.identity.cognito_identity_id, c.tenant_id]\n"),
			event: event{
				ClientContext:   `{"custom":{"a":1},"env":{"e":"v"},"client":{"app_title":"T","unknown":2}}`,
				CognitoIdentity: `{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}`, TenantID: "tenant",
			},
			body: `\["LambdaContext\(\[aws_request_id=` + runner.RequestID + `,log_group_name=/aws/lambda/f,log_stream_name=2026/01/01/\[\$LATEST\]0123456789abcdef0123456789abcdef,function_name=f,memory_limit_in_mb=128,function_version=\$LATEST,invoked_function_arn=arn:aws:lambda:us-east-1:000000000000:function:f,client_context=ClientContext\(\[custom=\{'a': 1\},env=\{'e': 'v'\},client=Client\(\[installation_id=None,app_title=T,app_version_name=None,app_version_code=None,app_package_name=None\]\)\]\),identity=CognitoIdentity\(\[cognito_identity_id=id,cognito_identity_pool_id=pool\]\),tenant_id=tenant\]\)", true, \{"a": 1\}, "T", "id", "tenant"\]`,
		},
		{
			name: "the W3C trace context leaves the client context", ok: true,
			program: py("def handler(e, c):\n    return [c.w3c(), c.client_context.custom, hasattr(c.client_context, 'w3c')]\n"),
			event:   event{ClientContext: `{"custom":1,"w3c":{"traceparent":"00-1","other":"x","baggage":5}}`},
			body:    `\[\{"traceparent": "00-1"\}, 1, false\]`,
		},
		{
			name: "JSON log records of values without a JSON form", ok: true,
			program: program{
				Runtime: "python3.12", Handler: "app.handler", Logging: jsonLogging,
				Files: map[string]string{"app.py": "import logging\ndef handler(e, c):\n    logging.error({'a': {1}})\n    logging.error('x', extra={'k': {2}})\n"},
			},
			body: `null`,
			log:  `\{[^\n]*"message": \{"a": "\{1\}"\}[^\n]*\}` + "\n" + `\{[^\n]*"message": "x"[^\n]*"k": "\{2\}"\}` + "\n",
		},
		{
			name:    "a client context that isn't JSON",
			program: py("def handler(e, c):\n    pass\n"), event: event{ClientContext: "{x"},
			body: `\{"errorMessage": "Unable to parse Client Context JSON: .*", "errorType": "Runtime.LambdaContextUnmarshalError".*`,
		},
		{
			name: "remaining time is never negative", ok: true,
			program: py("def handler(e, c):\n    return c.get_remaining_time_in_millis()\n"), event: event{Deadline: -5000000000},
			body: `0`,
		},
		{
			name: "the trace ID is in the environment while there is one", ok: true,
			program: py("import os\ndef handler(e, c):\n    return os.environ.get('_X_AMZN_TRACE_ID')\n"), event: event{Trace: "Root=1-2-3"},
			body: `"Root=1-2-3"`,
		},
		{
			name: "environment, folder and clock are the function's", ok: true,
			program: program{
				Runtime: "python3.12", Handler: "app.handler", Env: map[string]string{"MINE": "ü", "TZ": "Asia/Tokyo"},
				Files: map[string]string{"app.py": "import os, time\ndef handler(e, c):\n    return [sorted(k for k in os.environ if 'WICK' in k), os.environ['MINE'], os.getcwd() == os.environ['LAMBDA_TASK_ROOT'], time.localtime(0).tm_hour]\n"},
			},
			body: `\[\[\], "ü", true, 9\]`,
		},
		{
			name: "a child process has the environment and not the connection", ok: true,
			program: py("import subprocess, sys\ndef handler(e, c):\n    code = \"import os; print('WICK_STEM' in os.environ, os.path.lexists('/proc/self/fd/3') and os.readlink('/proc/self/fd/3').startswith('socket'))\"\n    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, close_fds=False).stdout\n"),
			body:    `"False False\\n"`,
		},
		{
			name: "the package comes before the standard library", ok: true,
			program: pyNamed("app.handler", map[string]string{"app.py": "import sys, colorsys\ndef handler(e, c):\n    return [colorsys.mine, sys.path[0] == __file__[:-7]]\n", "colorsys.py": "mine = 1\n"}),
			body:    `\[1, true\]`,
		},
		{
			name: "state stays between events, threads too", ok: true,
			program: py("import threading\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    t = threading.Thread(target=print, args=('from a thread',))\n    t.start()\n    t.join()\n    return n\n"),
			body:    `1`, log: "from a thread\n",
		},
		{
			name: "a handler may be any callable", ok: true,
			program: py("class H:\n    def __call__(self, e, c):\n        return 'called'\nhandler = H()\n"), body: `"called"`,
		},
		{
			name:    "an async handler's coroutine has no JSON form",
			program: py("async def handler(e, c):\n    return 1\n"),
			body:    `\{"errorMessage": "Unable to marshal response: Object of type coroutine is not JSON serializable".*`,
		},
		{
			name: "deep recursion is the function's error", header: "RecursionError",
			program: py("def handler(e, c):\n    return handler(e, c)\n"),
			body:    `\{"errorMessage": "maximum recursion depth exceeded.*", "errorType": "RecursionError".*`,
		},
		{
			name: "an answer that is too large ends the process", ok: true, exit: "exit status 1",
			program: py("def handler(e, c):\n    return 'x' * 7000000\n"), body: ``,
			log: `\[ERROR\] \[\d{13}\] LAMBDA_RUNTIME Failed to post handler success response\. Http response code: 413\. \{"errorMessage":"Exceeded maximum allowed payload size \(6291556 bytes\)\.","errorType":"RequestEntityTooLarge"\}` + "\n.*RuntimeError: Failed to post invocation response\n",
		},
		{
			name: "a log record of many bytes stays one", ok: true,
			program: py("import logging\ndef handler(e, c):\n    logging.error('x' * 300000 + '\\nend')\n"),
			body:    `null`, log: "\\[ERROR\\]\t" + timestamp + "\t" + runner.RequestID + "\t" + strings.Repeat("x", 1000) + "x*\nend\n",
		},
	}
}
