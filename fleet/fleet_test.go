package fleet_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/credentials"
	"github.com/wick-run/wick/fleet"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox/process"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience is how long what was begun may take, on however busy a machine.
const patience = time.Minute

// program is a runtime that asks gate what to answer: its process ID behind what the
// gate says, once it says something.
const program = `#!/usr/bin/env python3
import http.client, os, urllib.request
host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
conn = http.client.HTTPConnection(host, int(port))
while True:
    conn.request("GET", "/2018-06-01/runtime/invocation/next")
    r = conn.getresponse(); event = r.read().decode()
    rid = r.headers["Lambda-Runtime-Aws-Request-Id"]
    said = urllib.request.urlopen(os.environ["GATE"] + "/" + event).read().decode()
    body = '"%s %s %d"' % (os.environ["CONFIG"], said, os.getpid())
    conn.request("POST", "/2018-06-01/runtime/invocation/" + rid + "/response", body)
    conn.getresponse().read()
    if event.startswith("quick-slow"):
        urllib.request.urlopen(os.environ["GATE"] + "/before-" + event).read()
`

// gate holds events until they are let through.
type gate struct {
	*httptest.Server
	arrived chan string
	mu      sync.Mutex
	open    map[string]chan struct{}
}

func newGate(t *testing.T) *gate {
	g := &gate{arrived: make(chan string, 100), open: map[string]chan struct{}{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		g.arrived <- name
		select {
		case <-g.of(name):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, name)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) of(name string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.open[name]
	if c == nil {
		c = make(chan struct{})
		if strings.HasPrefix(name, "quick") {
			close(c)
		}
		g.open[name] = c
	}
	return c
}

func (g *gate) let(name string) { close(g.of(name)) }

type nothing struct{}

func (nothing) Record(time.Time, *wick.Source, wick.Event) {}

type folder string

func (f folder) Acquire(context.Context, string) (string, func(), error) {
	return string(f), func() {}, nil
}

func (f folder) AcquireLayers(context.Context, []string) (string, func(), error) {
	return string(f), func() {}, nil
}

// theatre is a fleet whose functions have no walls, and the gate they wait at.
type theatre struct {
	*fleet.Fleet
	gate *gate
}

func open(t *testing.T, o fleet.Options) *theatre {
	t.Helper()
	return openOn(t, o, func(code folder) instance.Code { return code })
}

// openOn opens one whose instances get their code in a way of the test's.
func openOn(t *testing.T, o fleet.Options, by func(folder) instance.Code) *theatre {
	t.Helper()
	code := t.TempDir()
	if err := os.WriteFile(filepath.Join(code, "bootstrap"), []byte(program), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	driver, err := process.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set, err := runtimes.Discover(t.Context(), runtimes.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := credentials.New(make([]byte, 32), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	o.Log = log
	o.Host = &instance.Host{
		Driver: driver, Runtimes: set, Code: by(folder(code)), Credentials: keys, Recorder: nothing{}, Log: log,
	}
	th := &theatre{fleet.New(o), newGate(t)}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		th.Close(ctx)
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return th
}

func (th *theatre) function(name, config string) *wick.Function {
	return &wick.Function{
		FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: name},
		Version:    wick.Latest, Runtime: "provided.al2023", Handler: "h", TimeoutSeconds: 60, MemoryMB: 128,
		EphemeralMB: 512, ConfigHash: config, Environment: map[string]string{"GATE": th.gate.URL, "CONFIG": config},
	}
}

// result is what an event came to.
type result struct {
	answer string
	err    error
}

func (th *theatre) send(f *wick.Function, event string) <-chan result {
	c := make(chan result, 1)
	inv := &instance.Invocation{RequestID: event, Payload: []byte(event)}
	th.Start(context.Background(), f, inv, func(a *instance.Answer, err error) {
		if err != nil {
			c <- result{err: err}
			return
		}
		c <- result{answer: string(a.Payload)}
	})
	return c
}

// process returns which process gave an answer.
func (r result) process(t *testing.T) string {
	t.Helper()
	if r.err != nil {
		t.Fatal(r.err)
	}
	parts := strings.Fields(strings.Trim(r.answer, `"`))
	if len(parts) != 3 {
		t.Fatalf("answered %q", r.answer)
	}
	return parts[2]
}

// settled waits until n instances are left, all idle.
func (th *theatre) settled(t *testing.T, n int) []wick.InstanceStatus {
	t.Helper()
	return th.await(t, n, n)
}

// await waits until n instances are left, so many of them idle.
func (th *theatre) await(t *testing.T, n, idleOnes int) []wick.InstanceStatus {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		all := th.Instances()
		idle := 0
		for _, i := range all {
			if i.State == wick.InstanceIdle || i.State == wick.InstanceFrozen {
				idle++
			}
		}
		if len(all) == n && idle == idleOnes {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d instances, %d idle; want %d, %d: %+v", len(all), idle, n, idleOnes, all)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestEventsAtTheSameTimeGetAnInstanceEachAndLaterOnesTheOneUsedLast(t *testing.T) {
	th := open(t, fleet.Options{})
	f := th.function("f", "one")
	first, second := th.send(f, "a"), th.send(f, "b")
	<-th.gate.arrived
	<-th.gate.arrived // both are being worked on at the same time
	th.gate.let("a")
	pa := (<-first).process(t)
	th.await(t, 2, 1)
	th.gate.let("b")
	pb := (<-second).process(t)
	if pa == pb {
		t.Fatal("two events at a time went to one instance")
	}
	th.settled(t, 2)
	for n := range 3 {
		if p := (<-th.send(f, fmt.Sprint("quick", n))).process(t); p != pb {
			t.Errorf("event %d went to %s, not to %s, which was used last", n, p, pb)
		}
		th.settled(t, 2)
	}
}

func TestAnEventWaitsForAnInstanceThatHasAnsweredRatherThanForANewOne(t *testing.T) {
	th := open(t, fleet.Options{})
	th.CountOnSoonFor(time.Minute)
	f := th.function("f", "one")
	first := (<-th.send(f, "quick-slow")).process(t)
	next := th.send(f, "quick")
	th.gate.let("before-quick-slow")
	if second := (<-next).process(t); second != first {
		t.Errorf("%s served, not %s", second, first)
	}
	th.settled(t, 1)
}

func TestAChangedFunctionIsNeverServedByAnOldInstance(t *testing.T) {
	th := open(t, fleet.Options{})
	old, changed := th.function("f", "old"), th.function("f", "new")
	if r := <-th.send(old, "quick"); !strings.Contains(r.answer, "old") {
		t.Fatalf("%+v", r)
	}
	running := th.send(old, "long")
	for <-th.gate.arrived != "long" {
	}
	th.Retire(changed.FunctionID, changed.Version, changed.ConfigHash)
	if r := <-th.send(changed, "quick2"); !strings.Contains(r.answer, "new") {
		t.Errorf("after the change: %+v", r)
	}
	th.gate.let("long")
	if r := <-running; !strings.Contains(r.answer, "old long") {
		t.Errorf("what was running ended as %+v", r)
	}
	if left := th.settled(t, 1); left[0].Invocations != 1 {
		t.Errorf("the old instance stays: %+v", left)
	}
}

// small is a budget that one instance of a provided runtime fits in, and no two.
const small = 12 << 20

func TestAnIdleInstanceMakesRoomForAnotherFunction(t *testing.T) {
	th := open(t, fleet.Options{MemoryBytes: small})
	if r := <-th.send(th.function("one", "one"), "quick1"); r.err != nil {
		t.Fatal(r.err)
	}
	th.settled(t, 1)
	if r := <-th.send(th.function("two", "two"), "quick2"); r.err != nil {
		t.Fatal(r.err)
	}
	if left := th.settled(t, 1); left[0].Function != "two" {
		t.Errorf("left is %+v", left)
	}
}

func TestOnAFullMachineEventsWaitInOrderAndThenAreRefused(t *testing.T) {
	th := open(t, fleet.Options{MemoryBytes: small, QueueWait: 5 * time.Second})
	f := th.function("f", "one")
	running := th.send(f, "running")
	<-th.gate.arrived
	other := th.send(th.function("other", "two"), "quick")
	if r := <-other; wick.KindOf(r.err) != wick.TooManyRequests {
		t.Errorf("with no room for as long as it may wait: %+v", r)
	}
	waiting := th.send(f, "quick-later")
	th.gate.let("running")
	if r := <-running; r.err != nil {
		t.Error(r.err)
	}
	if r := <-waiting; r.err != nil {
		t.Errorf("one that waited for its turn: %v", r.err)
	}
}

func TestABurstOfOneFunctionLeavesOthersTheirTurn(t *testing.T) {
	th := open(t, fleet.Options{MaxStarting: 1})
	burst := th.function("burst", "one")
	const events = 30
	for n := range events {
		th.send(burst, fmt.Sprint("held", n))
	}
	<-th.gate.arrived
	other := th.send(th.function("other", "two"), "quick")
	ahead := 0
	for event := range th.gate.arrived {
		if event == "quick" {
			break
		}
		ahead++
	}
	if ahead > events/2 { // 2, if all is as quick as it should be
		t.Errorf("%d more events of the burst were started before the other function's", ahead)
	}
	if r := <-other; r.err != nil {
		t.Error(r.err)
	}
}

func TestAnIdleInstanceIsStoppedWhenItsTimeIsOver(t *testing.T) {
	th := open(t, fleet.Options{IdleTimeout: time.Millisecond})
	if r := <-th.send(th.function("f", "one"), "quick"); r.err != nil {
		t.Fatal(r.err)
	}
	th.settled(t, 0)
}

func TestAnOldInstanceIsReplacedBetweenTwoEvents(t *testing.T) {
	th := open(t, fleet.Options{MaxLifetime: time.Nanosecond})
	f := th.function("f", "one")
	one := (<-th.send(f, "quick1")).process(t)
	th.settled(t, 0)
	if two := (<-th.send(f, "quick2")).process(t); two == one {
		t.Error("an instance past its lifetime served another event")
	}
}

func TestClosingLetsRunningEventsEndAndRefusesOthers(t *testing.T) {
	th := open(t, fleet.Options{})
	f := th.function("f", "one")
	running := th.send(f, "running")
	<-th.gate.arrived
	closed := make(chan struct{})
	go func() {
		th.Close(context.Background())
		close(closed)
	}()
	for { // closing has begun when events are refused
		if r := <-th.send(f, "quick"); wick.KindOf(r.err) == wick.Unavailable {
			break
		}
	}
	th.gate.let("running")
	if r := <-running; r.err != nil {
		t.Errorf("what was running got %v", r.err)
	}
	<-closed
	if left := th.Instances(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestClosingEndsWhatRunsOnWhenTheGraceIsOver(t *testing.T) {
	th := open(t, fleet.Options{})
	running := th.send(th.function("f", "one"), "running")
	<-th.gate.arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	th.Close(ctx)
	if r := <-running; wick.KindOf(r.err) != wick.Unavailable {
		t.Errorf("what was running got %+v", r)
	}
}

func TestManyFunctionsAndClientsGetTheirOwnAnswers(t *testing.T) {
	th := open(t, fleet.Options{MemoryBytes: 10 * small, QueueWait: patience})
	over, drained := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drained)
		for { // nobody waits for them here
			select {
			case <-th.gate.arrived:
			case <-over:
				return
			}
		}
	}()
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for c := range 6 {
		wg.Go(func() {
			for n := range 20 {
				config := fmt.Sprint("c", (c+n)%3)
				event := fmt.Sprintf("quick-%d-%d", c, n)
				r := <-th.send(th.function(config, config), event)
				if !strings.HasPrefix(r.answer, `"`+config+" "+event+" ") {
					wrong.Add(1)
					t.Logf("%s got %+v", event, r)
				}
			}
		})
	}
	wg.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d wrong answers", wrong.Load())
	}
	close(over)
	<-drained
}

func TestAnInstanceBootedAheadServesOneFunction(t *testing.T) {
	th := open(t, fleet.Options{MaxStems: 2})
	f, g := th.function("f", "one"), th.function("g", "two")
	th.Anticipate(f)
	stem := th.ahead(t)
	if r := <-th.send(f, "quick1"); r.err != nil {
		t.Fatal(r.err)
	}
	if got := th.settled(t, 1); got[0].ID != stem {
		t.Errorf("instance %s serves, not %s, which was booted ahead", got[0].ID, stem)
	}
	if next := th.ahead(t); next == stem {
		t.Error("an instance that serves is still offered to others")
	}
	if r := <-th.send(g, "quick2"); !strings.HasPrefix(r.answer, `"two `) {
		t.Errorf("%+v", r)
	}
	for _, i := range th.settled(t, 2) {
		if i.ID == stem && i.Function != "f" {
			t.Errorf("the instance of f became one of %s", i.Function)
		}
	}
}

func TestInstancesBootedAheadMakeRoomFirst(t *testing.T) {
	th := open(t, fleet.Options{MaxStems: 2, MemoryBytes: 10 * small, QueueWait: patience})
	th.Anticipate(th.function("f", "one"))
	th.ahead(t)
	var running []<-chan result
	for n := range 15 {
		running = append(running, th.send(th.function("f", "one"), fmt.Sprint("quick-or-not", n)))
	}
	for _, r := range running {
		if got := <-r; got.err != nil {
			t.Error(got.err)
		}
	}
}

// ahead waits until an instance is booted ahead and returns its ID.
func (th *theatre) ahead(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if all := th.Ahead(); len(all) > 0 {
			return all[0].ID
		}
	}
	t.Fatal("no instance is booted ahead")
	return ""
}

func TestAFailingStartFailsItsEvent(t *testing.T) {
	th := open(t, fleet.Options{})
	f := th.function("f", "one")
	f.Runtime = "cobol"
	if r := <-th.send(f, "quick"); r.err == nil {
		t.Errorf("answered %q", r.answer)
	}
}

func TestAConfigurationThatIsChangedBackIsServedByItsInstances(t *testing.T) {
	th := open(t, fleet.Options{})
	one := th.function("f", "one")
	running := th.send(one, "long")
	<-th.gate.arrived
	th.Retire(one.FunctionID, one.Version, "two")
	th.Retire(one.FunctionID, one.Version, "one")
	th.gate.let("long")
	process := (<-running).process(t)
	th.settled(t, 1)
	if p := (<-th.send(one, "quick")).process(t); p != process {
		t.Error("the instance of the current configuration was ended")
	}
}

func TestAnIdleInstanceLeavesWhenOthersHaveGrownOverTheBudget(t *testing.T) {
	th := open(t, fleet.Options{MemoryBytes: 2 * 8 << 20}) // of two that use more than that
	if r := <-th.send(th.function("one", "one"), "quick"); r.err != nil {
		t.Fatal(r.err)
	}
	running := th.send(th.function("two", "two"), "long")
	<-th.gate.arrived
	for deadline := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		all := th.Instances()
		if len(all) == 1 && all[0].Function == "two" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %+v", all)
		}
	}
	th.gate.let("long")
	if r := <-running; r.err != nil {
		t.Error(r.err)
	}
}

func TestAFunctionThatIsMadeAgainGetsInstancesOfItsOwnAndKeepsThem(t *testing.T) {
	th := open(t, fleet.Options{})
	f := th.function("f", "one")
	running := th.send(f, "long")
	<-th.gate.arrived
	th.Retire(f.FunctionID, f.Version, "")           // deleted
	th.Retire(f.FunctionID, f.Version, f.ConfigHash) // and made again
	first := (<-th.send(f, "quick1")).process(t)
	th.await(t, 2, 1)
	th.gate.let("long")
	before := (<-running).process(t)
	th.settled(t, 1)
	if second := (<-th.send(f, "quick2")).process(t); second != first || second == before {
		t.Errorf("processes %s and %s serve it, the deleted one had %s", first, second, before)
	}
}
