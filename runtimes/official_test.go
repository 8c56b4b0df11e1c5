package runtimes

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/official"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// crashes is a stream's failure that the invoker is told of as well, but the process
// lives on here.
const crashes = "AWS's client ends the process with an unhandled rejection"

// mappersCause is how the log ends where an event or answer doesn't fit.
const mappersCause = "the log names the classes of AWS's mapper"

// differences are behaviours that are meant to differ from the official client run
// outside Lambda, with the reason.
var differences = map[string]string{
	"node streams/a write behind the end":                               crashes,
	"node streams/a stream that is destroyed":                           crashes,
	"node streams/a pipeline that breaks":                               crashes,
	"node24 streams/a write behind the end":                             crashes,
	"node24 streams/a stream that is destroyed":                         crashes,
	"node24 streams/a pipeline that breaks":                             crashes,
	"python/the package comes before the standard library":              "sys.path is set by a file of AWS's image, not by the client",
	"python/a child process has the environment and not the connection": "descriptor 3 is a socket of the client's there",
	"python/an async handler's coroutine has no JSON form":              "Python's warning names a line of the client",
	"python/python3.8 has no request ID in its error object":            "as recorded on AWS, by an older client than can be installed",
	"python/deep recursion is the function's error":                     "AWS's client sends an X-Ray cause larger than the API here takes",
	"node/an async handler that never settles":                          "null until a release newer than npm's",
	"python/an answer that is too large ends the process":               "the client's own stack is printed",
	"node/a rejection while the module loads":                           "AWS's client goes on polling and is ended by the platform",
	"ruby/a child process has the environment and not the connection":   "descriptor 3 is the log there",
	"ruby/the environment is the function's":                            "the encoding where the machine lacks AWS's locale",
	"ruby/a client context that is no JSON is the function's error":     "AWS's client ends without an answer",
	"ruby/a message that is not UTF-8":                                  "AWS's client ends without an answer",
	"java/type parameters of an ancestor":                               "AWS's client loses a type parameter inside another type",
	"java/deep recursion ends the process after its answer":             "where the stack ends; AWS's client sends an X-Ray cause larger than the API here takes",
	"java/an object that is its own member":                             mappersCause,
	"java/an object that holds itself, deeper":                          mappersCause,
	"java/an event of another shape":                                    mappersCause,
	"java/a number that doesn't fit":                                    mappersCause,
	"ruby/a handler that is missing":                                    "Ruby shows a line of the client in the message",
	"java/SQS messages":                                                 "the order of members follows the annotations of AWS's mapper",
	"java/an older runtime's environment has the trace, too":            "as recorded on AWS, by an older client than can be installed",
	"node24/a module that is missing":                                   "the require stack names the loader's files",
}

// TestAgainstOfficialClients runs every function of the behaviour tables under AWS's
// clients too and compares answers, error objects, X-Ray causes, log records and exits.
func TestAgainstOfficialClients(t *testing.T) {
	dir := os.Getenv(official.Variable)
	if dir == "" {
		t.Skipf("AWS's runtime clients are missing: run runtimes/official.sh DIR and set %s=DIR", official.Variable)
	}
	var streams, streams24 []behaviour
	for _, c := range streamCases("nodejs20.x") {
		streams = append(streams, behaviour{name: c.name, program: c.program})
	}
	for _, c := range streamCases("nodejs24.x") {
		streams24 = append(streams24, behaviour{name: c.name, program: c.program})
	}
	var javas []behaviour
	if exists(filepath.Join(dir, "java")) {
		javas = javaBehaviours(t) // which skips the test where functions can't be compiled
	}
	for _, table := range []struct {
		name string
		rows []behaviour
	}{
		{"python", pythonBehaviours()},
		{"ruby", rubyBehaviours()},
		{"java", javas},
		{"node", nodeBehaviours()},
		{"node24", node24Behaviours()},
		{"node streams", streams},
		{"node24 streams", streams24},
	} {
		for _, b := range table.rows {
			t.Run(table.name+"/"+b.name, func(t *testing.T) {
				if table.name != "java" { // AWS's client unpacks its native part to one place in /tmp
					t.Parallel()
				}
				if reason, ok := differences[table.name+"/"+b.name]; ok {
					t.Logf("not compared: %s", reason)
					return
				}
				theirs := observe(t, startOfficial(t, dir, b.program), b)
				ours := observe(t, runProgram(t, b.program, table.name != "java"), b)
				if !reflect.DeepEqual(theirs, ours) {
					t.Errorf("AWS's client\n%s\nours\n%s", show(theirs), show(ours))
				}
			})
		}
	}
}

func startOfficial(t testing.TB, dir string, prog program) *process {
	t.Helper()
	m := match(t, prog.Runtime)
	p := newProcess(t, m)
	p.Write(prog)
	p.Listen()
	cmd, err := official.Command(dir, m.Interpreter.Bin, prog, t.TempDir())
	if errors.Is(err, official.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	env := p.Environment(Environment(prog.Function(), m))
	official.Environment(env, prog.Runtime)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Dir, p.Cmd, p.TelemetryFD = p.Dir, cmd, true
	p.Run()
	return p
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always has a JSON form
	return string(b)
}

// observation is all that can be seen of an invocation, without what differs per run.
type observation struct {
	OK, Init  bool
	Body      string
	XRayCause string
	Exit      string
	Log       []runner.Record

	Streaming              bool
	ContentType, ErrorType string
	ErrorBody              string
}

func observe(t testing.TB, p *process, b behaviour) observation {
	t.Helper()
	var o observation
	if !b.init {
		p.Send(b.event)
	}
	if !b.noAnswer {
		out := p.Outcome()
		o.OK, o.Init = out.OK, out.Init
		o.Body = normal(p, out.Body())
		o.Streaming, o.ErrorType = out.Response.Streaming, out.Response.ErrorType
		o.ErrorBody = normal(p, string(out.Response.ErrorBody))
		if o.Streaming {
			o.ContentType = out.Response.ContentType
		}
		o.XRayCause = normal(p, out.Failure.XRayCause)
	}
	if b.exit != "" {
		o.Exit = p.Exit()
	} else {
		runner.Receive(p, p.Polls, "a poll")
		p.Kill() // AWS's client would complain of a closed connection
	}
	for _, r := range p.Records() {
		if strings.Contains(r.Text, "plans to remove support for callback-based") {
			continue // newer than some releases of the client
		}
		rec := runner.Record{Framed: r.Framed, Text: normal(p, strings.TrimRight(r.Text, "\n"))}
		if n := len(o.Log); rec.Text == "RUNTIME" && n > 0 && o.Log[n-1] == rec {
			continue
		}
		o.Log = append(o.Log, rec)
	}
	return o
}

var perRun = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z`), "TIME"},
	// Frames of the runtime itself: how many and which is its own business.
	{regexp.MustCompile(`(?:,?"    at [^"]*(?:file:///[^"]*\.mjs|node:internal)[^"]*")+`), `,"RUNTIME"`},
	{regexp.MustCompile(`(?:\n    at [^\n"]*(?:file:///[^\n"]*\.mjs|node:internal)[^\n"]*)+`), "\nRUNTIME"},
	{regexp.MustCompile(`(?:\\n    at [^\\"]*(?:file:///[^\\"]*\.mjs|node:internal)[^\\"]*)+`), `\nRUNTIME`},
	{regexp.MustCompile(`^    at .*file:///.*\.mjs.*$`), "RUNTIME"},
	{regexp.MustCompile(`- /[^ "\\]*/index\.mjs`), "- /var/runtime/index.mjs"},
	{regexp.MustCompile(`^\[ERROR\] \[\d{13}\]`), "[ERROR] [TIME]"},
	{regexp.MustCompile(`\(node:\d+\)`), "(node:PID)"},
	{regexp.MustCompile(`(?:,?\{"path":"[^"]*","line":(?:null|\d+),"label":"[^"]*"\})+\]`), "FRAMES]"},
	{regexp.MustCompile(`\[FRAMES\]`), "[]"},
	{regexp.MustCompile(`"paths":\s*\[[^\]]*\]`), "PATHS"},
	{regexp.MustCompile(`(?:,?\s*"(?:[^"]*/(?:aws_lambda_ric|wick_runtime|bootstrap)[/.][^"]*|-e:1:[^"]*)")+`), ""}, // Ruby
	{regexp.MustCompile(`\[\d{4}-\d\d-\d\dT[0-9:.]+ #\d+\]`), "[TIME #PID]"},
	{regexp.MustCompile(`LambdaHandler:0x[^>]*`), "LambdaHandler"},
	{regexp.MustCompile(`\[\s*\]`), "[]"},
	{regexp.MustCompile(`[^ "]*/lib/python3\.\d+/`), "/LIB/"},
	{regexp.MustCompile(`line \d+, in import_module`), "line N, in import_module"},
}

// normal replaces what differs from run to run and from client to client.
func normal(p *process, s string) string {
	s = strings.ReplaceAll(s, p.Dir, taskDir)
	for _, r := range perRun {
		s = r.pattern.ReplaceAllString(s, r.with)
	}
	return s
}

func show(o observation) string {
	b, _ := json.MarshalIndent(o, "", " ") // of strings and booleans
	var log strings.Builder
	for _, r := range o.Log {
		if r.Framed {
			log.WriteString("frame ")
		}
		log.WriteString(quote(r.Text) + "\n")
	}
	return string(b) + "\n" + log.String()
}
