package runtimes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/internal/testkit/oracle"
	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// replay runs one recorded test.
type replay struct {
	*testing.T
	server   *wickserver.Server
	name     string // of the function
	runtime  string
	recorded map[string]any
	compare  *oracle.Comparer
	seen     map[string]bool
}

// step compares an answer with a recorded step.
func (r *replay) step(name string, got any) {
	r.Helper()
	recorded, ok := r.recorded[name]
	if !ok {
		r.Fatalf("no step %s is recorded", name)
	}
	r.seen[name] = true
	if members, ok := recorded.(map[string]any); ok {
		delete(members, "ResponseMetadata") // the status is checked by the SDK, headers aren't recorded
	}
	r.compare.Value("", recorded, got)
	for _, p := range r.compare.Problems {
		r.Errorf("%s: %s", name, p)
	}
	r.compare.Problems = nil
}

// wire keeps the body of the last answer: the SDK's types don't tell absent from empty.
type wire struct{ body []byte }

func (w *wire) Do(q *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	w.body, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(w.body))
	return resp, err
}

// create creates the function of an entry, and compares the answer where it is recorded.
func (r *replay) create(f function) {
	r.Helper()
	f.runtime = r.runtime
	f.memory = 1024
	wire := &wire{}
	create(r.T, r.server.Client(), r.name, f, func(o *lambda.Options) { o.HTTPClient = wire })
	if r.recorded["create_function_result"] != nil {
		var got any
		if err := json.Unmarshal(wire.body, &got); err != nil {
			r.Fatalf("%v: %s", err, wire.body)
		}
		r.step("create_function_result", got)
	}
}

// scenario is what a function of the recordings is in each language.
type scenario struct {
	nodejs, python, ruby string // source
	java                 string // folder of testdata/java
	dotnet               string // source of testdata/dotnet
	provided             string // handler
}

func (s scenario) function(t *testing.T, runtime string, more map[string]string) function {
	t.Helper()
	files := map[string]string{}
	maps.Copy(files, more)
	switch language(runtime) {
	case "nodejs":
		files["index.js"] = s.nodejs
		return function{handler: "index.handler", code: zipped(t, files)}
	case "python":
		files["handler.py"] = s.python
		return function{handler: "handler.handler", code: zipped(t, files)}
	case "ruby":
		files["function.rb"] = s.ruby
		return function{handler: "function.handler", code: zipped(t, files)}
	case "java":
		return javaFunction(t, s.java, files)
	case "dotnet":
		return dotnetFunction(t, s.dotnet, files)
	}
	return function{handler: s.provided, code: bootstrapPackage(t)}
}

// language returns a runtime's: its letters in front.
func language(runtime string) string { return letters.FindString(runtime) }

var letters = regexp.MustCompile(`^[a-z]+`)

var echo = scenario{
	nodejs:   `exports.handler = async (event) => event;`,
	python:   "def handler(event, context):\n    return event\n",
	ruby:     "def handler(event:, context:)\n  event\nend\n",
	java:     "echo",
	dotnet:   "Echo",
	provided: "echo",
}

func (r *replay) echo() {
	f := echo.function(r.T, r.runtime, nil)
	f.timeout = 5
	r.create(f)
	for _, payload := range []string{
		`{"hello":"world"}`,
		`{"hello":"'\" \"\"'' quotes, an emoji 🥳 and brackets {[}}[([]))"}`,
		`{"hello":"` + strings.Repeat("obi wan!", 128*1024*5) + `"}`,
		`true`, `false`, `null`, `[1,2]`, `1`, ``,
	} {
		out := invoke(r.T, r.server.Client(), r.name, []byte(payload))
		if payload == "" {
			payload = "{}"
		}
		var got, want any
		if err := json.Unmarshal(out.Payload, &got); err != nil {
			r.Fatalf("%v: %.200s", err, out.Payload)
		}
		if err := json.Unmarshal([]byte(payload), &want); err != nil {
			r.Fatal(err)
		}
		if out.StatusCode != http.StatusOK || out.FunctionError != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			r.Errorf("%.100s came back as %d %.200s", payload, out.StatusCode, out.Payload)
		}
	}
}

var introspection = scenario{
	nodejs: `exports.handler = async (event, context) => ({
  environment: process.env, packages: [],
  ctx: {
    aws_request_id: context.awsRequestId, function_name: context.functionName, function_version: context.functionVersion,
    invoked_function_arn: context.invokedFunctionArn, log_group_name: context.logGroupName, log_stream_name: context.logStreamName,
    remaining_time_in_millis: context.getRemainingTimeInMillis(),
  },
});
`,
	python: `import os

def handler(event, context):
    ctx = {name: getattr(context, name) for name in (
        "aws_request_id", "function_name", "function_version", "invoked_function_arn",
        "log_group_name", "log_stream_name", "memory_limit_in_mb")}
    ctx["remaining_time_in_millis"] = context.get_remaining_time_in_millis()
    return {"environment": dict(os.environ), "packages": [], "ctx": ctx}
`,
	ruby: `def handler(event:, context:)
  names = %i[aws_request_id function_name function_version invoked_function_arn log_group_name log_stream_name memory_limit_in_mb]
  ctx = names.to_h { |name| [name, context.send(name)] }
  ctx[:remaining_time_in_millis] = context.get_remaining_time_in_millis
  { environment: ENV.to_h, packages: [], ctx: ctx }
end
`,
	java:     "introspection",
	dotnet:   "Introspection",
	provided: "function.handler",
}

func (r *replay) introspection() {
	f := introspection.function(r.T, r.runtime, nil)
	f.env = map[string]string{"TEST_KEY": "TEST_VAL"}
	r.create(f)
	r.invokeStep("invocation_result_payload", r.name)
	r.invokeStep("invocation_result_payload_qualified", "arn:aws:lambda:us-east-1:000000000000:function:"+r.name+":$LATEST")
}

func (r *replay) invokeStep(step, name string) {
	r.Helper()
	out := invoke(r.T, r.server.Client(), name, []byte(`{"simple": "payload"}`))
	var got any
	if err := json.Unmarshal(out.Payload, &got); err != nil {
		r.Fatalf("%v: %s", err, out.Payload)
	}
	r.step(step, got)
}

var uncaughtException = scenario{
	nodejs: "exports.handler = async (event) => {\n  throw new Error(`Error: ${event.error_msg}`);\n};\n",
	python: "def handler(event, context):\n    raise Exception(f\"Failed: {event['error_msg']}\")\n",
	ruby:   "def handler(event:, context:)\n  raise \"Error: #{event['error_msg']}\"\nend\n",
	java:   "uncaught",
	dotnet: "Uncaught",
}

func (r *replay) uncaughtException() {
	r.create(uncaughtException.function(r.T, r.runtime, nil))
	out := invoke(r.T, r.server.Client(), r.name, []byte(`{"error_msg": "some_error_msg"}`))
	var payload map[string]any
	if err := json.Unmarshal(out.Payload, &payload); err != nil {
		r.Fatalf("%v: %s", err, out.Payload)
	}
	r.step("error_result", map[string]any{
		"StatusCode": float64(out.StatusCode), "ExecutedVersion": aws.ToString(out.ExecutedVersion),
		"FunctionError": aws.ToString(out.FunctionError), "Payload": payload,
	})
	trace, _ := payload["trace"].([]any)
	if language(r.runtime) != "nodejs" {
		trace, _ = payload["stackTrace"].([]any)
	}
	if len(trace) == 0 {
		r.Errorf("no stack trace in %s", out.Payload)
	}
}

func (r *replay) runtimeWrapper() {
	f := introspection.function(r.T, r.runtime, map[string]string{
		"environment_wrapper": "#!/bin/bash\nexport WRAPPER_VAR=test-value\nexec \"$@\"\n",
	})
	f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/environment_wrapper"}
	r.create(f)
	out := invoke(r.T, r.server.Client(), r.name, []byte(`{"simple": "payload"}`))
	var got struct {
		Environment map[string]string `json:"environment"`
		Ctx         map[string]any    `json:"ctx"`
		Packages    []any             `json:"packages"`
	}
	if err := json.Unmarshal(out.Payload, &got); err != nil || out.FunctionError != nil {
		r.Fatalf("%v: %s", err, out.Payload)
	}
	if got.Environment["WRAPPER_VAR"] != "test-value" || len(got.Ctx) == 0 || got.Packages == nil {
		r.Errorf("the wrapped function sees %s", out.Payload)
	}
}

var entryName = regexp.MustCompile(`::test_(\w+)\[(.*)\]$`)

func TestReplayOfTheRealRuntimes(t *testing.T) {
	entries, skip, err := oracle.Read("test_lambda_common.json")
	if err != nil {
		t.Fatal(err)
	}
	if skip != "" {
		t.Skip(skip)
	}
	ours := map[string]bool{}
	var mu sync.Mutex // guards tallies
	tallies := map[string]*tally{}
	t.Run("entries", func(t *testing.T) {
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			m := entryName.FindStringSubmatch(name)
			if m == nil {
				t.Errorf("%s is no name of an entry", name)
				continue
			}
			if !slices.Contains([]string{"nodejs", "python", "ruby", "java", "dotnet", "provided"}, language(m[2])) {
				continue
			}
			ours[name] = true
			script, ok := table[name]
			if !ok {
				t.Errorf("%s is not in the table", name)
				continue
			}
			t.Run(m[1]+"/"+m[2], func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					mu.Lock()
					defer mu.Unlock()
					if tallies[m[2]] == nil {
						tallies[m[2]] = &tally{}
					}
					tallies[m[2]].add(t)
				})
				check(t, script, m[1], m[2], entries[name])
			})
		}
	})
	for name := range table {
		if !ours[name] {
			t.Errorf("%s is in the table and not recorded", name)
		}
	}
	var all tally
	for _, runtime := range slices.Sorted(maps.Keys(tallies)) {
		n := tallies[runtime]
		t.Logf("%-16s %s", runtime, n)
		all.passed, all.failed, all.skipped = all.passed+n.passed, all.failed+n.failed, all.skipped+n.skipped
	}
	t.Logf("%-16s %s", "all", &all)
}

// tally is how a runtime's entries came out.
type tally struct{ passed, failed, skipped int }

func (n *tally) add(t *testing.T) {
	switch {
	case t.Skipped():
		n.skipped++
	case t.Failed():
		n.failed++
	default:
		n.passed++
	}
}

// String counts what passed of what this machine can run.
func (n *tally) String() string {
	text := fmt.Sprintf("%d of %d pass", n.passed, n.passed+n.failed)
	if n.skipped > 0 {
		text += fmt.Sprintf(", nothing here runs %d more", n.skipped)
	}
	return text
}

// runBy says what runs a runtime's functions on this machine.
func runBy(t *testing.T, s *wickserver.Server, runtime string) client.Runtime {
	t.Helper()
	c, err := client.New(s.URL, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Runtimes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(r client.Runtime) bool { return r.Runtime == runtime })
	if i < 0 {
		t.Fatalf("wick runtimes doesn't know %s", runtime)
	}
	return all[i]
}

// check replays an entry.
func check(t *testing.T, script func(*replay), test, runtime string, entry oracle.Entry) {
	r := &replay{
		T: t, runtime: runtime, server: server(t, exact), name: regexp.MustCompile(`\W`).ReplaceAllString(test+"-"+runtime, "_"),
		recorded: map[string]any{}, seen: map[string]bool{},
		compare: oracle.NewComparer(map[string]string{"<partition>": "aws", "<region>": "us-east-1"}),
	}
	for step, answer := range entry.Content {
		var value any
		// The recordings' account, and Wick's.
		if err := json.Unmarshal(bytes.ReplaceAll(answer, []byte("111111111111"), []byte("000000000000")), &value); err != nil {
			t.Fatal(err)
		}
		r.recorded[step] = value
	}
	by := runBy(t, r.server, runtime)
	if by.Version == "" && language(runtime) != "provided" {
		t.Skipf("nothing on this machine runs %s", runtime)
	}
	script(r)
	for step := range r.recorded {
		if !r.seen[step] {
			t.Errorf("step %s was not replayed", step)
		}
	}
	if !by.Exact {
		t.Logf("run by %s %s, the nearest on this machine", by.Language, by.Version)
	}
}
