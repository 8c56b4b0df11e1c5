package instance_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/credentials"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox/process"
)

func TestMain(m *testing.M) { leak.Main(m) }

// folders are packages by name; a function's code is looked up by it.
type folders map[string]string

func (f folders) Acquire(_ context.Context, sha string) (string, func(), error) {
	if dir, ok := f[sha]; ok {
		return dir, func() {}, nil
	}
	return "", nil, fmt.Errorf("no package %s", sha)
}

func (f folders) AcquireLayers(_ context.Context, shas []string) (string, func(), error) {
	if dir, ok := f[wick.MergedLayers(shas)]; ok {
		return dir, func() {}, nil
	}
	return "", nil, fmt.Errorf("no packages %v", shas)
}

// events keeps what instances state, as log text.
type events struct {
	mu    sync.Mutex
	log   []byte
	grown *sync.Cond
}

func newEvents() *events {
	e := &events{}
	e.grown = sync.NewCond(&e.mu)
	return e
}

// await returns when the log holds a text.
func (e *events) await(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !strings.Contains(string(e.log), text) {
		e.grown.Wait()
	}
}

func (e *events) Record(at time.Time, src *wick.Source, ev wick.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log, _ = wick.AppendLog(e.log, nil, at, src, ev)
	e.grown.Broadcast()
}

// varying is what differs between two runs in a log.
var varying = regexp.MustCompile(`\d+\.\d\d ms|Billed Duration: \d+ ms|Max Memory Used: \d+ MB|[0-9a-f]{64}|\d{4}-\d\d-\d\dT[\d:.]+Z`)

// text returns the log since the last call, without what varies.
func (e *events) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := varying.ReplaceAllStringFunc(string(e.log), func(v string) string {
		switch {
		case strings.HasPrefix(v, "Billed"):
			return "Billed Duration: N ms"
		case strings.HasPrefix(v, "Max"):
			return "Max Memory Used: N MB"
		case strings.HasSuffix(v, "Z"):
			return "TIME"
		case strings.HasSuffix(v, " ms"):
			return "N ms"
		}
		return "SHA256"
	})
	e.log = nil
	return s
}

// stage is a host whose functions run without walls: what is tested here is the life
// of an instance, not its walls.
type stage struct {
	host   *instance.Host
	code   folders
	events *events
	freed  chan *instance.Instance
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{code: folders{}, events: newEvents(), freed: make(chan *instance.Instance, 100)}
	driver, err := process.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	set, err := runtimes.Discover(t.Context(), runtimes.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := credentials.New(make([]byte, 32), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s.host = &instance.Host{
		Driver: driver, Runtimes: set, Code: s.code, Credentials: keys, Recorder: s.events,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	return s
}

// function makes a function of a package with one file.
func (s *stage) function(t *testing.T, runtime, file, body string) *wick.Function {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o755); err != nil { //nolint:gosec // a bootstrap is a program
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	sha := hex.EncodeToString(sum[:])
	s.code[sha] = dir
	return &wick.Function{
		FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "f"},
		Version:    wick.Latest, Runtime: runtime, Handler: strings.TrimSuffix(file, ".py") + ".handler",
		TimeoutSeconds: 20, MemoryMB: 256, EphemeralMB: 512, Architecture: "x86_64",
		Code: wick.Package{SHA256: sha, Size: 1},
	}
}

// bring boots and assigns an instance, which ends with the test.
func (s *stage) bring(t *testing.T, f *wick.Function) *instance.Instance {
	t.Helper()
	plan, err := s.host.Plan(f)
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.host.Boot(t.Context(), plan, func(i *instance.Instance) { s.freed <- i })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := i.Assign(t.Context(), plan, f); err != nil {
		t.Fatal(err)
	}
	return i
}

// invoke hands an event over, and waits until the instance is free again.
func (s *stage) invoke(t *testing.T, i *instance.Instance, id, payload string) *instance.Answer {
	t.Helper()
	a, err := i.Invoke(&instance.Invocation{RequestID: id, Payload: []byte(payload), Tail: true})
	if err != nil {
		t.Fatal(err)
	}
	<-s.freed
	return a
}

func TestAnInstanceServesEventsOneAfterAnotherWithItsStateKept(t *testing.T) {
	s := newStage(t)
	i := s.bring(t, s.function(t, "python3.12", "app.py", `
n = 0
print("loading")
def handler(event, context):
    global n
    n += 1
    print("event", n)
    return {"n": n, "event": event, "id": context.aws_request_id}
`))
	if got := i.State(); got != wick.InstanceIdle && got != wick.InstanceFrozen {
		t.Fatalf("after its init it is %s:\n%s", got, s.events.text())
	}
	first := s.invoke(t, i, "id-1", `{"a":"é"}`)
	second := s.invoke(t, i, "id-2", `null`)
	var got struct {
		N     int
		Event any
		ID    string
	}
	if err := json.Unmarshal(second.Payload, &got); err != nil || got.N != 2 || got.Event != nil || got.ID != "id-2" {
		t.Errorf("the second answer is %s (%v)", second.Payload, err)
	}
	if first.Failed || !strings.Contains(string(first.LogTail), "event 1\nEND RequestId: id-1\nREPORT RequestId: id-1\t") {
		t.Errorf("the first: failed %t, tail %q", first.Failed, first.LogTail)
	}
	log := s.events.text()
	for _, want := range []string{
		"loading\nSTART RequestId: id-1 Version: $LATEST\nevent 1\nEND RequestId: id-1\n" +
			"REPORT RequestId: id-1\tDuration: N ms\tBilled Duration: N ms\tMemory Size: 256 MB\tMax Memory Used: N MB\tInit Duration: N ms\t\n",
		"START RequestId: id-2 Version: $LATEST\nevent 2\nEND RequestId: id-2\n" +
			"REPORT RequestId: id-2\tDuration: N ms\tBilled Duration: N ms\tMemory Size: 256 MB\tMax Memory Used: N MB\t\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks\n%s\nit is\n%s", want, log)
		}
	}
}

// misbehave is a runtime of its own that speaks the Runtime API as each event tells
// it to, by way of a few lines of Python.
const misbehave = `#!/usr/bin/env python3
import http.client, json, os, sys, time
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
host, _, port = api.partition(":")
conn = http.client.HTTPConnection(host, int(port))
def call(method, path, body=None, headers={}):
    conn.request(method, "/2018-06-01/runtime/" + path, body, headers)
    r = conn.getresponse()
    return r, r.read()
%s
while True:
    r, event = call("GET", "invocation/next")
    rid = r.headers["Lambda-Runtime-Aws-Request-Id"]
    response, error = "invocation/" + rid + "/response", "invocation/" + rid + "/error"
    exec(json.loads(event))
`

func TestWhatARuntimeDoesWrongEndsItsEventAndNotTheNext(t *testing.T) {
	const fine = `call("POST", response, "\"fine\"")`
	for name, c := range map[string]struct {
		do     string // what the runtime does with the event
		answer string
		failed bool
		log    string // between START and REPORT
		status string // behind "Max Memory Used: N MB"
		reset  bool
	}{
		"answers": {do: fine, answer: `"fine"`},
		"answers no JSON": {
			do: `call("POST", response, "Echoing request: 'x'")`, answer: "Echoing request: 'x'",
		},
		"answers twice": {
			do:     fine + `; r, b = call("POST", response, "\"again\""); print(r.status, json.loads(b)["errorType"])`,
			answer: `"fine"`, log: "403 InvalidStateTransition\n",
		},
		"answers another's event": {
			do:     `r, b = call("POST", "invocation/other/response", "1"); print(r.status, b.decode()); ` + fine,
			answer: `"fine"`, log: `400 {"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}` + "\n",
		},
		"answers too much": {
			do:     `r, b = call("POST", response, "x" * (6*1024*1024 + 101)); print(r.status)`,
			answer: `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`,
			failed: true, log: "413\n",
		},
		"reports an error": {
			do:     `call("POST", error, '{"errorMessage":"m","errorType":"T","more":1}', {"Lambda-Runtime-Function-Error-Type": "T"})`,
			answer: `{"errorMessage":"m","errorType":"T","more":1}`, failed: true,
		},
		"exits": {
			do:     `sys.exit(7)`,
			answer: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`,
			failed: true, reset: true, log: "RequestId: ID Error: Runtime exited with error: exit status 7\nRuntime.ExitError\n",
			status: "\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"exits as if all were well": {
			do:     `sys.exit(0)`,
			answer: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}`,
			failed: true, reset: true, log: "RequestId: ID Error: Runtime exited without providing a reason\nRuntime.ExitError\n",
			status: "\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"is killed": {
			do:     `os.kill(os.getpid(), 11)`,
			answer: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: segmentation fault"}`,
			failed: true, reset: true, log: "RequestId: ID Error: Runtime exited with error: signal: segmentation fault\nRuntime.ExitError\n",
			status: "\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"answers with its last breath": {
			do: fine + `; os._exit(1)`, answer: `"fine"`, reset: true,
			log:    "RequestId: ID Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n",
			status: "\tStatus: error\tError Type: Runtime.ExitError\n",
		},
		"takes too long": {
			do:     `print("so far"); sys.stdout.flush(); time.sleep(60)`,
			answer: `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 4.00 seconds"}`,
			failed: true, reset: true, log: "so far\nTIME ID Task timed out after 4.00 seconds\n\n", status: "\tStatus: timeout\n",
		},
		"answers, and then takes too long": {
			do: fine + `; time.sleep(60)`, answer: `"fine"`, reset: true,
			log: "TIME ID Task timed out after 4.00 seconds\n\n", status: "\tStatus: timeout\n",
		},
		"polls on another connection": {
			do: fine + `; conn.close()`, answer: `"fine"`,
		},
		"prints without an end": {
			do: `sys.stdout.write("open"); sys.stdout.flush(); ` + fine, answer: `"fine"`, log: "open\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			f := s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "sys.stdout.reconfigure(line_buffering=True)"))
			if strings.HasSuffix(c.status, "timeout\n") {
				f.TimeoutSeconds = 4 // enough for the next event's start on a busy machine
			}
			i := s.bring(t, f)
			s.events.text()
			event, err := json.Marshal(c.do)
			if err != nil {
				t.Fatal(err)
			}
			a := s.invoke(t, i, "ID", string(event))
			if string(a.Payload) != c.answer || a.Failed != c.failed {
				t.Errorf("the answer is %.300s (failed: %t), want %s (%t)", a.Payload, a.Failed, c.answer, c.failed)
			}
			end := c.status
			if end == "" {
				end = "\tInit Duration: N ms\t\n"
			} else {
				end = "\tInit Duration: N ms" + end
			}
			want := "START RequestId: ID Version: $LATEST\n" + c.log + "END RequestId: ID\n" +
				"REPORT RequestId: ID\tDuration: N ms\tBilled Duration: N ms\tMemory Size: 256 MB\tMax Memory Used: N MB" + end
			if got := s.events.text(); got != want {
				t.Errorf("the log is\n%s\nwant\n%s", got, want)
			}
			state := wick.InstanceIdle
			if c.reset {
				state = wick.InstanceReset
			}
			if got := i.State(); got != state && got != wick.InstanceFrozen {
				t.Errorf("then it is %s, want %s", got, state)
			}
			event, _ = json.Marshal(fine)
			if a := s.invoke(t, i, "next", string(event)); string(a.Payload) != `"fine"` || a.Failed {
				t.Errorf("the next answer is %s", a.Payload)
			}
		})
	}
}

func TestAFailedInitIsTriedAgainWithTheEvent(t *testing.T) {
	for name, c := range map[string]struct {
		load    string
		answer  string
		printed string // before its end is told
		phases  string // both, but for the word of the phase
	}{
		"an error": {
			load:   `call("POST", "init/error", '{"errorMessage":"m","errorType":"T"}', {"Lambda-Runtime-Function-Error-Type": "T"}); time.sleep(0.1); print("last words"); sys.exit(1)`,
			answer: `{"errorMessage":"m","errorType":"T"}`, printed: "last words\n", phases: "Status: error\tError Type: Runtime.Unknown\n",
		},
		"an exit": {
			load:   `sys.exit(1)`,
			answer: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 1"}`,
			phases: "Status: error\tError Type: Runtime.ExitError\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.host.AwaitLastWordsFor(time.Minute)
			i := s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, c.load)))
			if got := i.State(); got != wick.InstanceReset {
				t.Errorf("after the failed init it is %s", got)
			}
			a := s.invoke(t, i, "ID", `""`)
			if string(a.Payload) != c.answer || !a.Failed {
				t.Errorf("the answer is %s (failed: %t)", a.Payload, a.Failed)
			}
			log := s.events.text()
			for _, phase := range []string{"init", "invoke"} {
				if want := c.printed + "INIT_REPORT Init Duration: N ms\tPhase: " + phase + "\t" + c.phases; !strings.Contains(log, want) {
					t.Errorf("the log lacks %q:\n%s", want, log)
				}
			}
		})
	}
}

func TestAnInitThatWorksTheSecondTimeServes(t *testing.T) {
	s := newStage(t)
	mark := filepath.Join(t.TempDir(), "tried")
	i := s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, fmt.Sprintf(`
if not os.path.exists(%q):
    open(%q, "w").close()
    sys.exit(1)
`, mark, mark))))
	a := s.invoke(t, i, "ID", `"call('POST', response, '1')"`)
	if string(a.Payload) != "1" || a.Failed {
		t.Errorf("the answer is %s", a.Payload)
	}
}

func TestAProgramThatCannotRunSaysSoAsAWSDoes(t *testing.T) {
	for name, c := range map[string]struct{ file, body, message string }{
		"no bootstrap":    {"main", "x", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"},
		"another machine": {"bootstrap", "\x7fELF\x02\x01\x01\x00garbage", "fork/exec /var/task/bootstrap: exec format error"},
		"no interpreter":  {"bootstrap", "#!/no/such/program\n", "fork/exec /var/task/bootstrap: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			i := s.bring(t, s.function(t, "provided.al2023", c.file, c.body))
			a := s.invoke(t, i, "ID", `{}`)
			want := `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: ` + c.message + `"}`
			if string(a.Payload) != want || !a.Failed {
				t.Errorf("the answer is %s, want %s", a.Payload, want)
			}
		})
	}
}

func TestAGoFunctionsProgramIsItsHandler(t *testing.T) {
	s := newStage(t)
	f := s.function(t, "go1.x", "main", fmt.Sprintf(misbehave, ""))
	f.Handler = "main"
	i := s.bring(t, f)
	if a := s.invoke(t, i, "ID", `"call('POST', response, os.environ['AWS_EXECUTION_ENV'])"`); string(a.Payload) != "AWS_Lambda_go1.x" {
		t.Errorf("the answer is %s", a.Payload)
	}
	if got := s.events.text(); !strings.Contains(got, "Runtime Version: go:1.") {
		t.Errorf("its log is\n%s", got)
	}
}

func TestWhoStartsAnEventIsToldItsAnswerOnce(t *testing.T) {
	s := newStage(t)
	i := s.bring(t, s.function(t, "python3.12", "app.py", `
import os, time
def handler(event, context):
    if event == "exit":
        os._exit(1)
    if isinstance(event, dict):
        while not os.path.exists(event["until"]):
            time.sleep(0.01)
    return event
`))
	type outcome struct {
		a   *instance.Answer
		err error
	}
	outcomes := make(chan outcome, 8)
	start := func(payload string) error {
		return i.Start(&instance.Invocation{RequestID: "ID", Payload: []byte(payload)}, func(a *instance.Answer, err error) {
			outcomes <- outcome{a, err}
		})
	}
	for payload, want := range map[string]string{`"x"`: `"x"`, `"exit"`: "Runtime.ExitError", `[1]`: `[1]`} {
		if err := start(payload); err != nil {
			t.Fatal(err)
		}
		o := <-outcomes
		if o.err != nil || !strings.Contains(string(o.a.Payload), want) || o.a.Failed != (payload == `"exit"`) {
			t.Errorf("for %s it was told %+v", payload, o)
		}
		<-s.freed
	}
	over := filepath.Join(t.TempDir(), "over")
	if err := start(fmt.Sprintf(`{"until":%q}`, over)); err != nil {
		t.Fatal(err)
	}
	if err := start(`"second"`); !errors.Is(err, instance.ErrNotDelivered) {
		t.Errorf("a second event at a time came to %v", err)
	}
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o := <-outcomes; o.err != nil || o.a.Failed {
		t.Errorf("it was told %+v", o)
	}
	<-s.freed
	if err := start(`"exit"`); err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	if o := <-outcomes; o.err == nil && !o.a.Failed {
		t.Errorf("stopped, it was told %+v", o)
	}
	if len(outcomes) > 0 {
		t.Errorf("and once more %+v", <-outcomes)
	}
}

func TestStoppingEndsAnEventUnderWay(t *testing.T) {
	s := newStage(t)
	i := s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "")))
	failed := make(chan error, 1)
	go func() {
		_, err := i.Invoke(&instance.Invocation{RequestID: "ID", Payload: []byte(`"print('in'); sys.stdout.flush(); time.sleep(60)"`)})
		failed <- err
	}()
	s.events.await("\nin\n") // the function runs
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-failed; wick.KindOf(err) != wick.Unavailable {
		t.Errorf("the invoker got %v", err)
	}
	if got := i.State(); got != wick.InstanceStopped {
		t.Errorf("it is %s", got)
	}
	if got := s.events.text(); !strings.Contains(got, "RequestId: ID Error: the instance was stopped\n") ||
		strings.Count(got, "END RequestId: ID\n") != 1 || strings.Count(got, "REPORT RequestId: ID\t") != 1 {
		t.Errorf("its log ends with\n%s", got)
	}
	if _, err := i.Invoke(&instance.Invocation{RequestID: "late"}); !errors.Is(err, instance.ErrNotDelivered) {
		t.Errorf("a stopped instance took an event: %v", err)
	}
}
