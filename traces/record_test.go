package traces

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestAnInvocationHasTwoSegmentsWithTheirParts(t *testing.T) {
	tr := openTraces(t, Options{})
	h := header(traceA, segmentA)
	tr.Record(noon, source, wick.InitDone{Phase: wick.PhaseInit, Status: wick.StatusSuccess, Duration: 300 * time.Millisecond})
	tr.Record(noon.Add(time.Second), source, wick.InvokeStart{RequestID: "r1", Trace: h})
	end := noon.Add(1500 * time.Millisecond)
	tr.Record(end, source, wick.RuntimeDone{
		RequestID: "r1", Trace: h, Status: wick.StatusSuccess, Duration: 500 * time.Millisecond,
		Latency: 400 * time.Millisecond, Transfer: 50 * time.Millisecond, Overhead: 50 * time.Millisecond,
	})
	tr.Record(end, source, wick.Report{RequestID: "r1", Trace: h, Init: 300 * time.Millisecond})
	tr.Invoked(&wick.Invoked{Function: hello, RequestID: "r1", Trace: h, Parent: "00000000000000aa", Began: noon, Ended: end, Status: 200})

	got := get(t, tr, traceA)
	if len(got.Segments) != 2 {
		t.Fatalf("%d segments", len(got.Segments))
	}
	service, function := got.Segments[0], got.Segments[1]
	if service.Origin != "AWS::Lambda" || service.Name != "hello" || service.ParentID != "00000000000000aa" || service.status() != 200 ||
		service.ResourceARN != "arn:aws:lambda:us-east-1:000000000000:function:hello" || service.AWS["request_id"] != "r1" {
		t.Errorf("the service's segment is %s", service.Document)
	}
	if function.Origin != "AWS::Lambda::Function" || function.ID != segmentA || function.ParentID != service.ID || function.Fault ||
		!function.Start().Equal(noon.Add(time.Second)) || !function.End().Equal(end) {
		t.Errorf("the function's segment is %s", function.Document)
	}
	want := []string{"Initialization -300ms 300ms", "Invocation 1s 450ms", "Overhead 1.45s 50ms"}
	if parts := partsOf(function); !slices.Equal(parts, want) {
		t.Errorf("its parts are %q, want %q", parts, want)
	}
	if root := got.Root(); root != service {
		t.Errorf("its root is %v", root)
	}
}

func partsOf(s *Segment) []string {
	var parts []string
	for _, p := range s.Subsegments {
		parts = append(parts, fmt.Sprint(p.Name, " ", p.Start().Sub(noon), " ", p.Duration()))
	}
	return parts
}

func TestOnlyAnInstancesFirstInvocationHasItsInit(t *testing.T) {
	tr := openTraces(t, Options{})
	run := func(at time.Duration, trace string) {
		h := ""
		if trace != "" {
			h = header(trace, segmentA)
		}
		tr.Record(noon.Add(at), source, wick.RuntimeDone{RequestID: "r", Trace: h, Status: wick.StatusSuccess, Duration: time.Millisecond})
		tr.Record(noon.Add(at), source, wick.Report{RequestID: "r", Trace: h})
	}
	done := wick.InitDone{Status: wick.StatusSuccess, Duration: time.Second}
	tr.Record(noon, source, done)
	run(time.Second, traceA)
	run(2*time.Second, traceB)
	if parts := partsOf(get(t, tr, traceA).Segments[0]); len(parts) != 3 {
		t.Errorf("the first has %q", parts)
	}
	if parts := partsOf(get(t, tr, traceB).Segments[0]); len(parts) != 2 {
		t.Errorf("the second has %q", parts)
	}
	tr.Record(noon, source, done)
	run(time.Second, "") // the first isn't sampled
	run(2*time.Second, "1-6a1f0c3e-cccc74261f6e9f6bc05b8672")
	if parts := partsOf(get(t, tr, "1-6a1f0c3e-cccc74261f6e9f6bc05b8672").Segments[0]); len(parts) != 2 {
		t.Errorf("the second has %q", parts)
	}
	tr.Record(noon, source, done)
	tr.Record(noon, source, wick.StateChanged{To: wick.InstanceStopped})
	if n := tr.inits.n.Load(); n != 0 {
		t.Errorf("%d inits are remembered of instances that are gone", n)
	}
}

func TestAFunctionThatFailsIsAFaultWithItsException(t *testing.T) {
	tr := openTraces(t, Options{})
	h := header(traceA, segmentA)
	tr.Record(noon, source, wick.RuntimeDone{
		RequestID: "r", Trace: h, Status: wick.StatusError, ErrorType: "Runtime.Unknown", Duration: time.Second,
		Error: []byte(`{"errorType":"ValueError","errorMessage":"no","stackTrace":["  File \"/var/task/app.py\", line 3, in handler\n    raise\n"]}`),
	})
	tr.Invoked(&wick.Invoked{Function: hello, Trace: h, Began: noon.Add(-2 * time.Second), Ended: noon, Status: 200, Failed: true, Error: []byte("{}")})
	got := get(t, tr, traceA)
	for _, s := range got.Segments {
		if !s.Fault || s.Error || len(s.Cause) == 0 {
			t.Errorf("the segment is %s", s.Document)
		}
	}
	function := got.Segments[1]
	if !function.Subsegments[0].Fault || function.Subsegments[1].Fault {
		t.Errorf("its parts are %s", function.Document)
	}
	if m := function.messages(); len(m) != 1 || m[0] != "no" {
		t.Errorf("its exceptions are %s", function.Cause)
	}
}

func TestARefusalIsAThrottle(t *testing.T) {
	tr := openTraces(t, Options{})
	tr.Invoked(&wick.Invoked{Function: hello, Trace: header(traceA, segmentA), Began: noon, Ended: noon, Status: 429})
	got := get(t, tr, traceA)
	if s := got.Segments[0]; len(got.Segments) != 1 || !s.Throttle || !s.Error || s.Fault || s.status() != 429 {
		t.Errorf("the segment is %s", s.Document)
	}
	if m := got.Summarize(); !m.HasThrottle || !m.HasError || m.HasFault {
		t.Errorf("the summary is %+v", m)
	}
}

func TestWhatIsNotSampledLeavesNothingAndAllocatesNothing(t *testing.T) {
	tr := openTraces(t, Options{})
	var events []wick.Event
	const h = "Root=" + traceA + ";Parent=" + segmentA + ";Sampled=0"
	events = append(events, wick.StateChanged{To: wick.InstanceBusy}, wick.InvokeStart{Trace: h}, wick.RuntimeDone{Trace: h}, wick.Report{Trace: h})
	if n := testing.AllocsPerRun(100, func() {
		for _, e := range events {
			tr.Record(noon, source, e)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, missing, err := tr.Get(t.Context(), account, region, []string{traceA}); err != nil || len(missing) != 1 {
		t.Errorf("missing %q, %v", missing, err)
	}
}

func TestWhatComesTooFastIsDroppedAndCountedAndNobodyWaits(t *testing.T) {
	g := &gate{TraceStore: openStore(t), open: make(chan struct{})}
	tr := openTraces(t, Options{Store: g})
	defer g.release()
	const sent = maxQueued + 3000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range sent / 4 {
				tr.Invoked(&wick.Invoked{Function: hello, Trace: header(traceA, fmt.Sprintf("%016x", n)), Began: noon, Ended: noon, Status: 200})
			}
		})
	}
	wg.Wait() // with a store that stands still
	if n := tr.Dropped(); n < sent-maxQueued-maxBatch || n > sent-maxQueued {
		t.Errorf("%d of %d were dropped", n, sent)
	}
	g.release()
	if len(get(t, tr, traceA).Segments) == 0 {
		t.Error("nothing was kept")
	}
}

func TestWhatWasStatedBeforeTheEndIsKept(t *testing.T) {
	store := openStore(t)
	tr := openTraces(t, Options{Store: store})
	for n := range 100 {
		tr.Invoked(&wick.Invoked{Function: hello, Trace: header(traceA, fmt.Sprintf("%016x", n)), Began: noon, Ended: noon, Status: 200})
	}
	if err := errors.Join(tr.Close(), tr.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := store.TracesByID(t.Context(), account, region, []string{traceA})
	if err != nil || len(got) != 1 || len(got[0].Documents) != 100 {
		t.Errorf("kept %+v, %v", got, err)
	}
	tr.Invoked(&wick.Invoked{Function: hello, Trace: header(traceB, segmentA), Began: noon, Ended: noon})
	if tr.Dropped() != 1 {
		t.Error("a statement after the end was not counted as dropped")
	}
	if _, _, err := tr.Get(t.Context(), account, region, []string{traceA}); err == nil {
		t.Error("closed traces answer")
	}
}

func TestTheFirstEachSecondAndFivePercentAreSampled(t *testing.T) {
	draw := 0.5
	tr := openTraces(t, Options{Random: func() float64 { return draw }})
	other := &wick.Function{FunctionID: wick.FunctionID{Account: account, Region: region, Name: "other"}}
	for i, c := range []struct {
		f    *wick.Function
		at   time.Duration
		draw float64
		want bool
	}{
		{hello, 0, 0.5, true},
		{hello, 100 * time.Millisecond, 0.5, false},
		{hello, 200 * time.Millisecond, 0.049, true},
		{hello, 300 * time.Millisecond, 0.05, false},
		{other, 400 * time.Millisecond, 0.5, true},
		{hello, time.Second, 0.5, true},
		{hello, 900 * time.Millisecond, 0.5, false}, // a clock read just before
		{hello, 1100 * time.Millisecond, 0.5, false},
	} {
		draw = c.draw
		if got := tr.Sample(c.f, noon.Add(c.at)); got != c.want {
			t.Errorf("request %d: sampled %t, want %t", i+1, got, c.want)
		}
	}
	s := tr.SamplingStatistics(account, region)
	if want := (SamplingStatistics{Rule: DefaultRule, Minute: noon, Requests: 8, Sampled: 4, Borrows: 3}); len(s) != 1 || s[0] != want {
		t.Errorf("counted %+v, want %+v", s, want)
	}
}

func TestCausesAreReadFromEveryRuntimesErrorObject(t *testing.T) {
	for _, c := range []struct{ name, object, want string }{
		{"Python", `{"errorType":"ValueError","errorMessage":"no","stackTrace":["  File \"/var/task/app.py\", line 3, in handler\n    raise ValueError\n"]}`,
			"ValueError no /var/task/app.py:3:handler"},
		{"Node", `{"errorType":"RangeError","errorMessage":"no","trace":["RangeError: no","    at exports.handler (/var/task/index.js:3:9)","    at /var/task/a.js:5:1"]}`,
			"RangeError no /var/task/index.js:3:exports.handler /var/task/a.js:5:"},
		{"Java", `{"errorType":"java.lang.E","errorMessage":"no","stackTrace":["com.x.H.handle(H.java:12)"],"cause":{"errorType":"java.io.E","errorMessage":"why"}}`,
			"java.lang.E no H.java:12:com.x.H.handle | java.io.E why"},
		{"Ruby", `{"errorType":"Function<StandardError>","errorMessage":"no","stackTrace":["/var/task/app.rb:3:in ` + "`" + `handler'"]}`,
			"Function<StandardError> no /var/task/app.rb:3:handler"},
		{"Go", `{"errorType":"errorString","errorMessage":"no","stackTrace":[{"path":"main.go","line":7,"label":"main"}]}`,
			"errorString no main.go:7:main"},
		{".NET", `{"errorType":"E","errorMessage":"no","stackTrace":["at N.T.M(String s) in /src/F.cs:line 12"]}`, "E no /src/F.cs:12:N.T.M(String s)"},
		{"platform", `{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out"}`, "Sandbox.Timedout Task timed out"},
		{"no object", `[1,2]`, "Given "},
		{"null frames", `{"errorType":"E","stackTrace":[null,3,"nonsense"]}`, "E "},
		{"nothing", ``, "Given "},
	} {
		var got []string
		for _, e := range causeOf(segmentA, "Given", []byte(c.object)).Exceptions {
			text := e.Type + " " + e.Message
			for _, f := range e.Stack {
				text += fmt.Sprintf(" %s:%d:%s", f.Path, f.Line, f.Label)
			}
			if !wick.ValidSegmentID(e.ID) {
				t.Errorf("%s: the ID is %q", c.name, e.ID)
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " | "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

func TestTimesKeepTheirMicroseconds(t *testing.T) {
	at := noon.Add(123456 * time.Microsecond)
	if got := fromSeconds(seconds(at)); !got.Equal(at) {
		t.Errorf("%s became %s", at, got)
	}
	if math.Abs(seconds(at)-1795521600.123456) > 1e-6 {
		t.Errorf("seconds are %f", seconds(at))
	}
}

func BenchmarkRecordOfAnInvocationThatIsNotSampled(b *testing.B) {
	tr := openTraces(b, Options{})
	const h = "Root=" + traceA + ";Parent=" + segmentA + ";Sampled=0;Lineage=1:a87bd80c:0"
	events := []wick.Event{
		wick.StateChanged{To: wick.InstanceBusy}, wick.InvokeStart{Trace: h}, wick.RuntimeDone{Trace: h}, wick.Report{Trace: h},
		wick.StateChanged{To: wick.InstanceIdle},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range events {
			tr.Record(noon, source, e)
		}
	}
}

func BenchmarkRecordOfAnInvocationThatIsSampled(b *testing.B) {
	tr := openTraces(b, Options{})
	h := header(traceA, segmentA)
	done := wick.RuntimeDone{RequestID: "r", Trace: h, Status: wick.StatusSuccess, Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		tr.Record(noon, source, done)
	}
	b.ReportMetric(float64(tr.Dropped())/float64(b.N), "dropped/op")
}

// broken is a store that can't be written to.
type broken struct{ wick.TraceStore }

func (broken) PutSegments(context.Context, []wick.TraceSegment) error { return errors.New("no space") }

func TestAStoreThatFailsIsNotCalledTooSlow(t *testing.T) {
	var log bytes.Buffer
	tr := openTraces(t, Options{Store: broken{openStore(t)}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	tr.Invoked(&wick.Invoked{Function: hello, Trace: header(traceA, segmentA), Began: noon, Ended: noon, Status: 200})
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if said := log.String(); tr.Dropped() != 1 || !strings.Contains(said, "could not be stored") || strings.Contains(said, "came faster") {
		t.Errorf("%d dropped: %s", tr.Dropped(), said)
	}
}

func TestAnErrorTooLongToReadTakesNobodysPlace(t *testing.T) {
	g := &gate{TraceStore: openStore(t), open: make(chan struct{})}
	tr := openTraces(t, Options{Store: g})
	defer g.release()
	long := fmt.Appendf(nil, `{"errorMessage":%q}`, strings.Repeat("x", 6<<20))
	const n = 2*maxQueuedBytes/(6<<20) + maxBatch
	for i := range n {
		h := header(traceA, fmt.Sprintf("%016x", i))
		tr.Invoked(&wick.Invoked{Function: hello, Trace: h, Began: noon, Ended: noon, Status: 200, Failed: true, Error: long})
		tr.Record(noon, source, wick.RuntimeDone{RequestID: "r", Trace: h, Status: wick.StatusError, ErrorType: "E", Error: long})
	}
	g.release()
	if got := get(t, tr, traceA); tr.Dropped() != 0 || len(got.Segments) != 2*n || !bytes.Contains(got.Segments[0].Cause, []byte(`"type"`)) {
		t.Errorf("%d segments, %d dropped, cause %s", len(got.Segments), tr.Dropped(), got.Segments[0].Cause)
	}
}
