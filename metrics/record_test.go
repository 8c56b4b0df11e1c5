package metrics

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestInvocationsAreCountedByFunctionResourceAndInAll(t *testing.T) {
	h := newHarness(t, Options{})
	latest, first := &wick.Source{Function: function("f", wick.Latest)}, &wick.Source{Function: function("f", "1")}
	other := &wick.Source{Function: function("g", wick.Latest)}
	h.invoke(noon.Add(time.Second), latest, 10*time.Millisecond, wick.StatusSuccess)
	h.invoke(noon.Add(2*time.Second), latest, 30*time.Millisecond, wick.StatusError)
	h.invoke(noon.Add(time.Minute+time.Second), first, 20*time.Millisecond, wick.StatusTimeout)
	h.invoke(noon.Add(2*time.Second), other, 5*time.Millisecond, wick.StatusSuccess)
	h.Throttled(latest.Function)
	for _, test := range []struct {
		name       string
		dimensions []string
		want       string
	}{
		{"Invocations", nil, "12:00:00:3/3/1 12:01:00:1/1/1 "},
		{"Invocations", []string{"FunctionName", "f"}, "12:00:00:2/2/1 12:01:00:1/1/1 "},
		{"Invocations", []string{"FunctionName", "f", "Resource", "f"}, "12:00:00:2/2/1 "},
		{"Invocations", []string{"FunctionName", "f", "Resource", "f:1"}, "12:01:00:1/1/1 "},
		{"Errors", []string{"FunctionName", "f"}, "12:00:00:2/1/1 12:01:00:1/1/1 "},
		{"Errors", []string{"FunctionName", "g"}, "12:00:00:1/0/0 "},
		{"Duration", []string{"FunctionName", "f"}, "12:00:00:2/40/30 12:01:00:1/20/20 "},
		{"Throttles", []string{"FunctionName", "f"}, "12:00:00:3/1/1 12:01:00:1/0/0 "},
		{"Throttles", []string{"FunctionName", "g"}, "12:00:00:1/0/0 "},
		{"ConcurrentExecutions", []string{"FunctionName", "g"}, "12:00:00:1/1/1 "},
		{"UnreservedConcurrentExecutions", nil, "12:00:00:3/3/1 12:01:00:1/1/1 "},
		{"UnreservedConcurrentExecutions", []string{"FunctionName", "f"}, ""},
	} {
		if got := sums(h.points(LambdaNamespace, test.name, test.dimensions...)); got != test.want {
			t.Errorf("%s %v is %s, want %s", test.name, test.dimensions, got, test.want)
		}
	}
	if got := sums(h.points(OwnNamespace, "MaxMemoryUsed", "FunctionName", "f")); got != "12:00:00:2/128/64 12:01:00:1/64/64 " {
		t.Errorf("memory is %s", got)
	}
}

func TestAnInvocationCountsWhereItBegan(t *testing.T) {
	h := newHarness(t, Options{})
	src := &wick.Source{Function: function("f", wick.Latest)}
	h.invoke(noon.Add(10*time.Minute), src, 9*time.Minute, wick.StatusSuccess)
	if got := sums(h.points(LambdaNamespace, "Duration", "FunctionName", "f")); got != "12:01:00:1/540000/540000 " {
		t.Errorf("it is %s", got)
	}
}

func TestConcurrencyIsWhatEachBeginningSeesAndGoesOnWhileTheyRun(t *testing.T) {
	h := newHarness(t, Options{})
	one, two := &wick.Source{Function: function("f", wick.Latest)}, &wick.Source{Function: function("f", "1")}
	other := &wick.Source{Function: function("g", wick.Latest)}
	busy := wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceBusy}
	for _, src := range []*wick.Source{one, two, other} {
		h.Record(noon, src, busy)
	}
	if got := sums(h.points(LambdaNamespace, "ConcurrentExecutions", "FunctionName", "f")); got != "12:00:00:2/3/2 " {
		t.Errorf("of the function it is %s", got)
	}
	if got := sums(h.points(LambdaNamespace, "ConcurrentExecutions", "FunctionName", "f", "Resource", "f")); got != "12:00:00:2/2/1 " {
		t.Errorf("of the version it is %s", got)
	}
	if got := h.points(LambdaNamespace, "ConcurrentExecutions"); got[0].Values.Max != 3 {
		t.Errorf("of all it is %s", sums(got))
	}
	h.clock.set(noon.Add(5 * time.Minute))
	h.sync() // takes note of what still runs
	h.Record(noon.Add(5*time.Minute), one, wick.StateChanged{From: wick.InstanceBusy, To: wick.InstanceStopped})
	h.Record(noon.Add(5*time.Minute), two, wick.StateChanged{From: wick.InstanceBusy, To: wick.InstanceIdle})
	h.Record(noon.Add(5*time.Minute), other, wick.StateChanged{From: wick.InstanceBusy, To: wick.InstanceReset})
	points := h.points(LambdaNamespace, "ConcurrentExecutions", "FunctionName", "f")
	if last := points[len(points)-1]; last.Start != noon.Add(5*time.Minute) || last.Values.Max != 2 {
		t.Errorf("later it is %s", sums(points))
	}
	h.clock.set(noon.Add(10 * time.Minute))
	h.sync()
	if points := h.points(LambdaNamespace, "ConcurrentExecutions"); points[len(points)-1].Start != noon.Add(5*time.Minute) {
		t.Errorf("with nothing running there is %s", sums(points))
	}
}

func TestColdStartsWaitsAndLossesAreWicksOwn(t *testing.T) {
	h := newHarness(t, Options{})
	src := &wick.Source{Function: function("f", wick.Latest)}
	h.Record(noon, src, wick.InitDone{Phase: wick.PhaseInit, Status: wick.StatusSuccess, Duration: 80 * time.Millisecond})
	h.Record(noon, src, wick.InitDone{Phase: wick.PhaseInvoke, Status: wick.StatusSuccess, Duration: 90 * time.Millisecond})
	h.Record(noon, src, wick.LogsDropped{Records: 7, Bytes: 700, Reason: "too fast"})
	h.Waited(src.Function, 120*time.Millisecond)
	for name, want := range map[string]string{
		"ColdStarts": "12:00:00:1/1/1 ", "InitDuration": "12:00:00:1/80/80 ", "PlacementWait": "12:00:00:1/120/120 ",
		"LogRecordsDropped": "12:00:00:1/7/7 ", "LogBytesDropped": "12:00:00:1/700/700 ",
	} {
		if got := sums(h.points(OwnNamespace, name, "FunctionName", "f")); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestTotalsOutliveWhatIsStored(t *testing.T) {
	h := newHarness(t, Options{})
	src := &wick.Source{Function: function("f", wick.Latest)}
	for i := range 5 {
		h.invoke(noon.Add(time.Duration(i)*time.Minute), src, time.Duration(i+1)*time.Millisecond, wick.StatusSuccess)
		h.sync()
	}
	h.invoke(noon, src, time.Second, wick.StatusError)
	h.Record(noon, src, wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceBusy})
	totals := h.Totals()
	if len(totals) != 1 {
		t.Fatalf("there are %d", len(totals))
	}
	if f := totals[0]; f.Name != "f" || f.Invocations != 6 || f.Errors != 1 || f.Duration.Count != 6 || f.Duration.Max != 1000 || f.Concurrency != 1 {
		t.Errorf("it is %+v", f)
	}
}

func TestCountingFromManyInstancesAtOnceLosesNothing(t *testing.T) {
	h := newHarness(t, Options{FlushEvery: time.Millisecond})
	const functions, instances, each = 3, 4, 200
	var wg sync.WaitGroup
	for f := range functions {
		for range instances {
			wg.Go(func() {
				src := &wick.Source{Function: function(fmt.Sprint("f", f), wick.Latest)}
				for range each {
					h.invoke(noon, src, time.Millisecond, wick.StatusSuccess)
				}
				h.Record(noon, src, wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceStopped})
			})
		}
	}
	wg.Wait()
	if points := h.points(LambdaNamespace, "Invocations"); len(points) == 0 || points[len(points)-1].Values.Sum != functions*instances*each {
		t.Errorf("there are %s", sums(points))
	}
	for _, f := range h.Totals() {
		if f.Concurrency != 0 {
			t.Errorf("%s has a concurrency of %d in the end", f.Name, f.Concurrency)
		}
	}
	h.lambda.sources.Range(func(any, any) bool { t.Error("an instance that stopped is still known"); return false })
}

func TestMetersGoWhenThereAreTooMany(t *testing.T) {
	var ms meters
	for i := range maxMeters {
		m := ms.meter(version{wick.FunctionID{Name: fmt.Sprint(i)}, wick.Latest})
		if i%2 == 0 {
			m.sources.Add(-1)
		}
	}
	if ms.meter(version{wick.FunctionID{Name: "one more"}, wick.Latest}) == nil {
		t.Error("those without instances should have made room")
	}
	if ms.n > maxMeters*9/10+1 || len(ms.functions) != ms.n {
		t.Errorf("there are %d meters and %d functions", ms.n, len(ms.functions))
	}
}

func BenchmarkAnInvocationsEvents(b *testing.B) {
	m := Open(Options{Store: nothing{}, FlushEvery: time.Hour})
	defer m.Close()
	src := &wick.Source{Function: function("f", wick.Latest)}
	now := time.Now()
	took := time.Duration(0)
	for b.Loop() {
		took = (took + 137*time.Microsecond) % (300 * time.Millisecond)
		m.invoke(now, src, took, wick.StatusSuccess)
	}
}

func BenchmarkALineOfTheLog(b *testing.B) {
	m := Open(Options{Store: nothing{}, FlushEvery: time.Hour})
	defer m.Close()
	src := &wick.Source{Function: function("f", wick.Latest)}
	now := time.Now()
	var e wick.Event = wick.LogLine{Text: `{"level":"info","message":"a line as a structured logger writes it, of some length and no metrics","n":1}`}
	for b.Loop() {
		m.Record(now, src, e)
	}
}
