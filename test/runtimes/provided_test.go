package runtimes

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
)

// provided is a function of the program testdata/provided, a Go one like the users'.
func provided(t *testing.T, handler string) function {
	t.Helper()
	return function{runtime: "provided.al2023", handler: handler, code: bootstrapPackage(t)}
}

// providedFile is a function whose bootstrap is a file of our own making.
func providedFile(t *testing.T, mode os.FileMode, content string) function {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	addFile(t, w, "bootstrap", mode, []byte(content))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return function{runtime: "provided.al2023", handler: "x", code: buf.Bytes()}
}

// foreign is the head of a program for an architecture that isn't this machine's.
func foreign(t *testing.T) string {
	t.Helper()
	program, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.Clone(program[:64<<10])
	// Without the section headers, which are at the end: no program needs them to run.
	binary.LittleEndian.PutUint64(head[0x28:], 0)
	binary.LittleEndian.PutUint32(head[0x3c:], 0)
	other := elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		other = elf.EM_X86_64
	}
	binary.LittleEndian.PutUint16(head[18:], uint16(other))
	return string(head)
}

// goFails is a handler that returns an error; Go's client logs the object it reports.
func goFails(name string, f function, event, object string) failure {
	return fails(name, f, object, "<date> "+object+"\n").with(event)
}

// goPanics is a handler that panics: Go's client reports that, and ends the process.
func goPanics(name string, f function, event, errorType, message string) failure {
	frame := func(path, label string) string {
		return `{"path":"` + path + `","line":<n>,"label":"` + label + `"}`
	}
	const client = "github.com/aws/aws-lambda-go@v1.55.1/lambda/"
	object := `{"errorMessage":"` + message + `","errorType":"` + errorType + `","stackTrace":[` +
		frame(client+"errors.go", "lambdaPanicResponse") + "," + frame(client+"invoke_loop.go", "callBytesHandlerFunc.func1") + ",<...>" +
		frame("provided/main.go", "handle") + ",<...>" + frame("provided/main.go", "main") + ",<...>]}"
	c := exits(name, f, exitError, withCode+"1",
		"<date> "+object+"\n<date> calling the handler function resulted in a panic, the process should exit\n").with(event)
	c.object = object
	return c
}

// goPanic is what Go itself prints of a panic.
func goPanic(message string) string { return "panic: " + message + "\n\ngoroutine <...>\n<lines>" }

func TestProvidedFails(t *testing.T) {
	script := func(source string) function { return providedFile(t, 0o755, "#!/bin/sh\n"+source) }
	handler := provided(t, "x")
	own := provided(t, "raw")
	tooLargeForGo := exits("an answer that is too large", handler, exitError, withCode+"1",
		"<date> unexpected error occurred when sending the function functionResponse to the API: failed to POST to http://169.254.100.1:9001/2018-06-01/runtime/invocation/<id>/response: got unexpected status code: 413\n").
		with(`{"Do":"answer","Size":6291557}`)
	tooLargeForGo.object = tooLarge
	answeredThenExit := exits("a runtime of our own/an answer, then an exit", own, exitError, withCode+"4", "").with(`{"Do":"answer then exit"}`)
	answeredThenExit.object, answeredThenExit.ok = "", `"answered"`

	slowAgain := initReport("invoke", "error\tError Type: Runtime.Unknown") + start + "<time> <id> Task timed out after 3.00 seconds\n\n" + report + timedOut
	slow := timesOut("an init that takes longer than 10 seconds", provided(t, "init.hang"), "")
	slow.log = initStart + initReport("init", "timeout") + slowAgain
	slow.next, slow.nextLog = "", slowAgain

	runFailures(t, []failure{
		// Load.
		slow,
		cannotStart("no bootstrap", function{runtime: "provided.al2023", handler: "x", code: zipped(t, map[string]string{"other": ""})},
			noEntry, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]", ""),
		cannotStart("a bootstrap that isn't executable", providedFile(t, 0o644, "#!/bin/sh\n"), noEntry, "fork/exec /var/task/bootstrap: permission denied", ""),
		cannotStart("a program for another architecture", providedFile(t, 0o755, foreign(t)), noEntry, "fork/exec /var/task/bootstrap: exec format error", ""),
		cannotStart("neither program nor script", providedFile(t, 0o755, "hello"), noEntry, "fork/exec /var/task/bootstrap: exec format error", ""),
		cannotStart("a script for nobody", providedFile(t, 0o755, "#!/no/such/interpreter\n"), noEntry, "fork/exec /var/task/bootstrap: no such file or directory", ""),
		cannotStart("a script that ends", script("echo one line\nexit 3\n"), exitError, withCode+"3", "one line\n"),
		cannotStart("a script whose program is missing", script("exec ./nosuch\n"), exitError, withCode+"127", "<...>./nosuch: not found\n"),
		cannotStart("a signal at the start", script("kill -ABRT $$\n"), exitError, bySignal+"aborted", ""),
		cannotStart("exit 0 at the start", provided(t, "init.exit0"), exitError, noReason, "leaving early\n"),
		cannotStart("exit 3 at the start", provided(t, "init.exit3"), exitError, withCode+"3", ""),
		cannotStart("a panic at the start", provided(t, "init.panic"), exitError, withCode+"2", goPanic("at the start")),
		// Of an error of the function's own the platform says that it is unknown.
		cannotLoad("a reported init error", provided(t, "init.error"), "Runtime.Unknown", `{"errorMessage":"not today","errorType":"Own.InitError","stackTrace":["a","b"]}`, ""),

		// Run.
		goFails("an error", handler, `{"Do":"error"}`, `{"errorMessage":"as asked","errorType":"errorString"}`),
		goFails("an error that wraps another", handler, `{"Do":"wrapped"}`, `{"errorMessage":"outer: inner","errorType":"wrapError"}`),
		goFails("an error of its own type", handler, `{"Do":"typed"}`, `{"errorMessage":"own type","errorType":"failure"}`),
		goFails("an error object of its own", handler, `{"Do":"object"}`, `{"errorMessage":"own message","errorType":"Own.Type","stackTrace":[{"path":"p.go","line":3,"label":"f"}]}`),
		goFails("an unserialisable result", handler, `{"Do":"unserialisable"}`, `{"errorMessage":"json: unsupported type: chan int","errorType":"UnsupportedTypeError"}`),
		goFails("an event it can't read", handler, `[1]`, `{"errorMessage":"json: cannot unmarshal array into Go value of type main.event","errorType":"UnmarshalTypeError"}`),
		goPanics("a panic", handler, `{"Do":"panic"}`, "string", "as asked"),
		goPanics("a panic with an error", handler, `{"Do":"panic error"}`, "failure", "as asked"),
		goPanics("a nil pointer", handler, `{"Do":"nil"}`, "errorString", "runtime error: invalid memory address or nil pointer dereference"),
		exits("a panic beside", handler, exitError, withCode+"2", goPanic("beside")).with(`{"Do":"goroutine"}`),

		// Exit.
		exits("exit 0", handler, exitError, noReason, "leaving\n").with(`{"Do":"exit0"}`),
		exits("exit 7", handler, exitError, withCode+"7", "").with(`{"Do":"exit7"}`),
		exits("a signal to itself", handler, exitError, bySignal+"killed", "").with(`{"Do":"kill"}`),

		// Time-out.
		timesOut("a time-out", handler, "sleeping\n").with(`{"Do":"sleep"}`),
		timesOut("a time-out with a deaf ear", handler, "").with(`{"Do":"deaf"}`),

		// Memory.
		byLimit(exits("out of memory", handler, outOfMemory, bySignal+"killed", "").with(`{"Do":"memory","Size":314572800}`)),
		byLimit(survives("a child out of memory", handler, `"signal: killed"`, "").with(`{"Do":"child memory","Size":314572800}`)),

		// Size, and other limits.
		tooLargeForGo,
		survives("the largest answer", handler, `"<...>"`, "").with(`{"Do":"answer","Size":6291556}`),
		goFails("too many files", handler, `{"Do":"files"}`, `{"errorMessage":"open /dev/null: too many open files","errorType":"PathError"}`),
		byLimit(goFails("too many processes", large(handler), `{"Do":"processes"}`, `{"errorMessage":"fork: resource temporarily unavailable","errorType":"SyscallError"}`)),
		goFails("a full /tmp", large(handler), `{"Do":"tmp"}`, `{"errorMessage":"write /tmp/full: no space left on device","errorType":"PathError"}`),

		// What only a runtime of one's own does.
		survives("a runtime of our own/two answers", own, `"first"`,
			"202 Accepted {\"status\":\"OK\"}\n"+`403 Forbidden {"errorMessage":"State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`+"\n").with(`{"Do":"twice"}`),
		survives("a runtime of our own/an answer to another", own, `"found"`, `400 Bad Request {"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`+"\n").with(`{"Do":"wrong id"}`),
		survives("a runtime of our own/an init error too late", own, `"late"`,
			`403 Forbidden {"errorMessage":"State transition from Running to InitError failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`+"\n").with(`{"Do":"init error too late"}`),
		// Answers and errors are passed on as they are.
		survives("a runtime of our own/an answer that isn't JSON", own, `{not json`, "").with(`{"Do":"not json"}`),
		fails("a runtime of our own/an error that isn't JSON", own, `plain words`, "").with(`{"Do":"error that is not json"}`),
		timesOut("a runtime of our own/no answer", own, "").with(`{"Do":"no answer"}`),
		answeredThenExit,
	})
}

// TestTheOperatorLearnsWhyAProgramCannotStart: the function's log only hints at it, as on
// AWS.
func TestTheOperatorLearnsWhyAProgramCannotStart(t *testing.T) {
	s := server(t, exact)
	for name, c := range map[string]struct {
		f      function
		reason string
	}{
		"foreign": {providedFile(t, 0o755, foreign(t)), "the program is for "},
		"plain":   {providedFile(t, 0o644, "#!/bin/sh\n"), "chmod 755"},
		"nobody":  {providedFile(t, 0o755, "#!/no/such/interpreter\n"), "/no/such/interpreter is not on this machine"},
	} {
		create(t, s.Client(), name, c.f)
		invoke(t, s.Client(), name, nil)
		found := false
		for line := range strings.Lines(s.OperatorLog().String()) {
			found = found || strings.Contains(line, "function="+name) && strings.Contains(line, c.reason)
		}
		if !found {
			t.Errorf("%s: the operator isn't told that %q:\n%s", name, c.reason, s.OperatorLog())
		}
	}
}
