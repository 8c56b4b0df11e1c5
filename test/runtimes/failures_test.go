package runtimes

import (
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// failure is one way to fail: a function, an event, and all that must come of it. In the
// expected texts <id> is the event's request ID, and these stand for what differs from
// run to run, or from one version of a language to the next: <time>, <date> (Go's log),
// <ms> (a duration), <n> (a whole number), <hex>, <...> (a part of a line) and <lines>
// (any number of them).
type failure struct {
	name     string
	function function
	event    string // "": {}
	object   string // the error object that the invoker gets
	ok       string // or the answer: functions survive some misfortunes
	log      string // all that is logged by then, from INIT_START to REPORT
	next     string // what the event {} gives then; "": the same error object again
	nextLog  string // and what that logs
	limited  bool   // it comes of a limit that only control groups enforce
}

// What the platform writes. Source: shared/spec/lambda.md section 4.
const (
	initStart = "INIT_START Runtime Version: <...>\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:<hex>\n"
	start     = "START RequestId: <id> Version: $LATEST\n"
	// report is followed by the line's last fields.
	report       = "END RequestId: <id>\nREPORT RequestId: <id>\tDuration: <ms> ms\tBilled Duration: <n> ms\tMemory Size: <n> MB\tMax Memory Used: <n> MB"
	initDuration = "\tInit Duration: <ms> ms"
	allWell      = "\t\n"
	timedOut     = "\tStatus: timeout\n"
)

// status ends the REPORT of an event that the platform had to end.
func status(errorType string) string { return "\tStatus: error\tError Type: " + errorType + "\n" }

// initReport is the line of an init that failed.
func initReport(phase, status string) string {
	return "INIT_REPORT Init Duration: <ms> ms\tPhase: " + phase + "\tStatus: " + status + "\n"
}

// exited is what the platform says of a runtime that ended.
func exited(how, errorType string) string {
	return "RequestId: <id> Error: " + how + "\n" + errorType + "\n"
}

// exitObject is the error object of a runtime that ended.
func exitObject(how, errorType string) string {
	return `{"errorType":"` + errorType + `","errorMessage":"RequestId: <id> Error: ` + how + `"}`
}

// warm is the log of an invocation that prints nothing and isn't its instance's first.
const warm = start + report + allWell

// cannotLoad is a function that can't be loaded: its runtime reports object, after it
// has printed. That happens before the first event, and again with each.
func cannotLoad(name string, f function, errorType, object, printed string) failure {
	again := printed + initReport("invoke", "error\tError Type: "+errorType) + start + report + status(errorType)
	return failure{
		name: name, function: f, object: object, nextLog: again,
		log: initStart + printed + initReport("init", "error\tError Type: "+errorType) + again,
	}
}

// cannotStart is a function whose runtime ends before it is ready.
func cannotStart(name string, f function, errorType, how, printed string) failure {
	c := cannotLoad(name, f, errorType, exitObject(how, errorType), printed)
	c.log = strings.Replace(c.log, start, start+exited(how, errorType), 1)
	c.nextLog = strings.Replace(c.nextLog, start, start+exited(how, errorType), 1)
	return c
}

// fails is a function that reports an error object, after it has printed.
func fails(name string, f function, object, printed string) failure {
	return failure{
		name: name, function: f, object: object, log: initStart + start + printed + report + initDuration + allWell,
		next: `"fine"`, nextLog: warm,
	}
}

// survives is one that answers all the same.
func survives(name string, f function, ok, printed string) failure {
	c := fails(name, f, "", printed)
	c.ok = ok
	return c
}

// exits is a function whose runtime ends in the middle of an event.
func exits(name string, f function, errorType, how, printed string) failure {
	c := fails(name, f, exitObject(how, errorType), "")
	c.log = initStart + start + printed + exited(how, errorType) + report + initDuration + status(errorType)
	return c
}

// briefly is the time-out, in seconds, of functions that run into it: AWS's default.
const briefly = 3

// timesOut is a function that takes longer than that.
func timesOut(name string, f function, printed string) failure {
	f.timeout = briefly
	c := fails(name, f, `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: <id> Error: Task timed out after 3.00 seconds"}`, "")
	c.log = initStart + start + printed + "<time> <id> Task timed out after 3.00 seconds\n\n" + report + initDuration + timedOut
	return c
}

// with gives a failure the event that brings it about.
func (f failure) with(event string) failure {
	f.event = event
	return f
}

// byLimit is a failure that comes of the limit on memory or processes.
func byLimit(f failure) failure {
	f.limited = true
	return f
}

// What an exit is called.
const (
	exitError   = "Runtime.ExitError"
	outOfMemory = "Runtime.OutOfMemory"
	noEntry     = "Runtime.InvalidEntrypoint"

	noReason = "Runtime exited without providing a reason"
	withCode = "Runtime exited with error: exit status " // and the code
	bySignal = "Runtime exited with error: signal: "     // and its name
)

// tooLarge is the error object of an answer over the limit.
const tooLarge = `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`

// What AWS's clients print when an answer is over the limit: Node's the status, Python's what
// comes with it, too.
const (
	refused       = "[ERROR] [<n>] LAMBDA_RUNTIME Failed to post handler success response. Http response code: 413.\n"
	pythonRefused = "[ERROR] [<n>] LAMBDA_RUNTIME Failed to post handler success response. Http response code: 413. " +
		`{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}` + "\n"
)

// large gives a function memory, and the speed that comes with it.
func large(f function) function {
	f.memory = 1024
	return f
}

// runFailures runs a table on the shared server.
func runFailures(t *testing.T, table []failure) {
	s := server(t, exact)
	for _, f := range table {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.check(t, s)
		})
	}
}

var functionNumber atomic.Int64

func (f failure) check(t *testing.T, s *wickserver.Server) {
	t.Helper()
	if f.limited && strings.Contains(s.OperatorLog().String(), "no control groups") {
		t.Skip("no control groups here, and so no limits on memory and processes")
	}
	name := "failure" + strconv.FormatInt(functionNumber.Add(1), 10)
	c := s.Client()
	if f.function.timeout == 0 {
		f.function.timeout = 120 // not what fails here, however loaded the machine is
	}
	create(t, c, name, f.function)
	first := f.invoke(t, c, name, f.event)
	if f.ok != "" {
		expectAnswer(t, "answer", first, f.ok, false)
	} else {
		expectAnswer(t, "error object", first, f.object, true)
	}
	log := logOf(t, s, name)
	expectText(t, "log", log, f.log, first.id)

	second := f.invoke(t, c, name, "")
	for range 5 {
		if f.function.timeout != briefly || f.next == "" || second.FunctionError == nil {
			break
		}
		// Starting again counts, and takes longer than that on a machine under load.
		log = logOf(t, s, name)
		second = f.invoke(t, c, name, "")
	}
	if f.next != "" {
		expectAnswer(t, "next answer", second, f.next, false)
	} else {
		expectAnswer(t, "next error object", second, f.object, true)
	}
	again, found := strings.CutPrefix(logOf(t, s, name), log)
	if !found {
		t.Errorf("the log has changed; it was\n%s", log)
	}
	expectText(t, "next log", again, f.nextLog, second.id)
}

// invoke waits until all of the event's log is written: the tail is there only then.
func (f failure) invoke(t *testing.T, c *lambda.Client, name, event string) invocation {
	t.Helper()
	if event == "" {
		event = "{}"
	}
	return invoke(t, c, name, []byte(event), func(in *lambda.InvokeInput) { in.LogType = types.LogTypeTail })
}

func expectAnswer(t *testing.T, what string, got invocation, want string, failed bool) {
	t.Helper()
	if (got.FunctionError != nil) != failed || failed && *got.FunctionError != "Unhandled" || got.StatusCode != 200 || aws.ToString(got.ExecutedVersion) != "$LATEST" {
		t.Errorf("%s: status %d, version %s, function error %s", what, got.StatusCode, aws.ToString(got.ExecutedVersion), aws.ToString(got.FunctionError))
	}
	expectText(t, what, string(got.Payload), want, got.id)
}

var placeholders = strings.NewReplacer(
	`<date>`, `\d{4}/\d\d/\d\d \d\d:\d\d:\d\d`, `<time>`, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`,
	`<ms>`, `\d+\.\d\d`, `<n>`, `\d+`, `<hex>`, `[0-9a-f]+`,
	`<\.\.\.>`, `[^\n]*`, `<lines>`, `(?:[^\n]*\n)*`,
)

func expectText(t *testing.T, what, got, want, id string) {
	t.Helper()
	pattern := placeholders.Replace(regexp.QuoteMeta(strings.ReplaceAll(want, "<id>", id)))
	if !regexp.MustCompile(`^` + pattern + `$`).MatchString(got) {
		t.Errorf("%s is\n%q\nwant\n%q", what, cut(strings.ReplaceAll(got, id, "<id>")), want)
	}
}

// cut keeps messages readable.
func cut(s string) string {
	if len(s) > 6000 {
		return s[:3000] + " […] " + s[len(s)-3000:]
	}
	return s
}
