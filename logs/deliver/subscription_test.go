package deliver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func subscribe(pattern string) wick.LogFilter {
	return wick.LogFilter{Kind: wick.SubscriptionFilter, Name: "s", Pattern: pattern, DestinationARN: destination}
}

func TestASubscriptionDeliversWhatMatches(t *testing.T) {
	h := newHarness(t, nil, subscribe("[level = ERROR, code, ...]"))
	h.write("a", "ERROR 7 lost", "INFO 1 found")
	h.write("b", "ERROR 8")
	h.until("two deliveries", func() bool { return len(h.got) == 2 && h.d.Stats().Delivered == 2 })
	m := h.got[slices.IndexFunc(h.got, func(m message) bool { return m.LogStream == "a" })] // streams don't wait for each other
	if m.MessageType != "DATA_MESSAGE" || m.Owner != testGroup.Account || m.LogGroup != "g" || m.LogStream != "a" || fmt.Sprint(m.SubscriptionFilters) != "[s]" {
		t.Errorf("delivered %+v", m)
	}
	e := m.LogEvents[0]
	if len(m.LogEvents) != 1 || e.Message != "ERROR 7 lost" || len(e.ID) != 56 || e.Timestamp == 0 || e.Extracted["code"] != "7" || e.Extracted["level"] != "ERROR" {
		t.Errorf("delivered %+v", m.LogEvents)
	}
	if s := h.d.Stats(); s.Delivered != 2 || s.Dropped != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestADeliveryIsTriedAgain(t *testing.T) {
	var tries int // deliveries of one stream come one after the other
	h := newHarness(t, func(context.Context, wick.FunctionID, string, []byte) error {
		if tries++; tries < 6 {
			return wick.Errorf(wick.TooManyRequests, "Rate Exceeded.")
		}
		return nil
	}, subscribe(""))
	h.write("a", "x")
	h.until("the delivery", func() bool { return len(h.got) == 1 && h.d.Stats().Delivered == 1 })
	if s := h.d.Stats(); s.Failed != 5 || s.Delivered != 1 || s.Dropped != 0 {
		t.Errorf("counted %+v", s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	const of = " map[DestinationType:Lambda FilterName:s LogGroupName:g]"
	if h.sums["DeliveryThrottling"+of] != 5 || h.sums["ForwardedLogEvents"+of] != 1 || h.sums["ForwardedBytes"+of] == 0 || len(h.sums) != 3 {
		t.Errorf("measured %v", h.sums)
	}
}

func TestWhatTheFunctionFailsAtIsGivenUp(t *testing.T) {
	var mu sync.Mutex
	tries := map[string]int{}
	h := newHarness(t, func(_ context.Context, _ wick.FunctionID, _ string, event []byte) error {
		mu.Lock()
		defer mu.Unlock()
		tries[string(event)]++
		if len(tries) == 1 {
			return ErrFunctionFailed
		}
		return wick.Errorf(wick.NotFound, "Function not found")
	}, subscribe(""))
	h.write("a", "x")
	h.until("the end of the first", func() bool { return h.d.Stats().Dropped == 1 })
	h.write("a", "y")
	h.until("the end of the second", func() bool { return h.d.Stats().Dropped == 2 })
	mu.Lock()
	defer mu.Unlock()
	var counts []int
	for _, n := range tries {
		counts = append(counts, n)
	}
	if slices.Sort(counts); !slices.Equal(counts, []int{1, functionTries}) {
		t.Errorf("tried %v times", counts)
	}
}

// inOrder says that a stream's lines came as they were written, from the first on, each
// at least once, but for what was delivered again after a restart.
func (h *harness) inOrder(stream string, lines int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	seen, last := 0, -1
	for _, m := range h.messages()[stream] {
		var n int
		if _, err := fmt.Sscanf(m, "line %d", &n); err != nil || n > last+1 {
			h.t.Fatalf("%q came after line %d", m, last)
		}
		if last = n; n == seen {
			seen++
		}
	}
	if seen != lines {
		h.t.Errorf("%d of %d lines came", seen, lines)
	}
}

// lines writes many lines, in several runs.
func (h *harness) lines(stream string, from, to int) {
	h.t.Helper()
	for i := from; i < to; i += 100 {
		var some []string
		for j := i; j < min(i+100, to); j++ {
			some = append(some, fmt.Sprint("line ", j))
		}
		h.write(stream, some...)
	}
}

func TestASlowFunctionHoldsNothingUpAndMissesNothing(t *testing.T) {
	release := make(chan struct{})
	h := newHarness(t, func(ctx context.Context, _ wick.FunctionID, _ string, _ []byte) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, subscribe(""))
	const lines = 2000 // several times what waits in memory
	h.lines("a", 0, lines)
	s := h.d.groups[testGroup].subscriptions[0]
	h.until("it", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.bytes >= h.o.MaxWaiting })
	s.mu.Lock()
	if s.bytes > 2*h.o.MaxWaiting+runsAtOnce*100*(recordOverhead+10) {
		t.Errorf("%d bytes wait in memory", s.bytes)
	}
	s.mu.Unlock()
	close(release)
	h.until("the end", func() bool { return h.d.Stats().Delivered == lines })
	h.inOrder("a", lines)
	if s := h.d.Stats(); s.Dropped != 0 || s.Failed != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestARestartGoesOnWithWhatWasNotDelivered(t *testing.T) {
	var broken atomic.Bool
	h := newHarness(t, func(context.Context, wick.FunctionID, string, []byte) error {
		if broken.Load() {
			return wick.Errorf(wick.TooManyRequests, "Rate Exceeded.")
		}
		return nil
	}, subscribe(""))
	h.lines("a", 0, 100)
	h.until("the first", func() bool { return h.d.Stats().Delivered == 100 })
	broken.Store(true)
	h.lines("a", 100, 300) // while the function can't
	h.until("an attempt", func() bool { return h.d.Stats().Failed > 0 })
	if err := h.d.Close(); err != nil {
		t.Fatal(err)
	}
	if s := h.d.Stats(); s.Dropped != 0 {
		t.Errorf("the end dropped something: %+v", s)
	}
	h.lines("a", 300, 400) // while nobody delivers
	broken.Store(false)
	h.open()
	h.until("the rest", func() bool { return h.d.Stats().Delivered == 300 })
	h.inOrder("a", 400)
	h.open()
	h.lines("b", 0, 1)
	h.until("one more", func() bool { return len(h.messages()["b"]) == 1 })
	if s := h.d.Stats(); s.Delivered > 1 {
		t.Errorf("after all was delivered and kept, it was delivered again: %+v", s)
	}
}

func TestAPositionIsKeptWhileDeliveriesGoOn(t *testing.T) {
	h := newHarness(t, nil, subscribe("x"))
	position := func() int64 {
		found, err := h.store.LogFilters(t.Context(), wick.LogFilterQuery{Group: testGroup, Kind: wick.SubscriptionFilter})
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		return found[0].Position
	}
	before := position()
	h.write("a", "x 1", "y 1")
	h.write("a", "y 2") // of which nothing is to be delivered
	runs, err := h.logs.After(t.Context(), testGroup, before, 10)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%+v, %v", runs, err)
	}
	h.until("the position", func() bool { return position() == runs[1].ID })
}

func TestWhatIsTooOldIsTriedOnceAndGivenUp(t *testing.T) {
	h := newHarness(t, func(context.Context, wick.FunctionID, string, []byte) error {
		return wick.Errorf(wick.TooManyRequests, "Rate Exceeded.")
	}, subscribe(""))
	if err := h.d.Close(); err != nil {
		t.Fatal(err)
	}
	h.o.RetryFor = time.Nanosecond
	h.write("a", "x", "y")
	h.open()
	h.until("the end", func() bool { return h.d.Stats().Dropped == 2 })
	if s := h.d.Stats(); s.Failed != 1 || s.Delivered != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestAFiltersCriteriaSelectByGroup(t *testing.T) {
	mine := subscribe("")
	mine.Selection, mine.SystemFields = `@aws.account = "`+testGroup.Account+`"`, []string{"@aws.account", "@aws.region", "@source.log"}
	other := subscribe("")
	other.Name, other.Selection = "t", `@aws.region NOT IN ["us-east-1"]`
	metric := wick.LogFilter{Kind: wick.MetricFilter, Name: "m", MetricNamespace: "App", MetricName: "m", MetricValue: "1", Selection: mine.Selection, SystemFields: []string{"@aws.region"}}
	none := metric
	none.Name, none.Selection = "n", other.Selection
	h := newHarness(t, nil, mine, other, metric, none)
	h.write("a", "x")
	h.until("both", func() bool { return len(h.got) == 1 && len(h.metrics) == 1 })
	if got := fmt.Sprint(h.got[0].SubscriptionFilters, h.got[0].LogEvents[0].Extracted); got != "[s] map[@aws.account:111111111111 @aws.region:us-east-1 @source.log:111111111111:g]" {
		t.Errorf("delivered %s", got)
	}
	if got := fmt.Sprint(h.metrics[0].Dimensions); got != "map[@aws.region:us-east-1]" {
		t.Errorf("the dimensions are %s", got)
	}
	h.open() // ends what there is
	if s := h.d.Stats(); s.Delivered+s.Metrics != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestAFilterThatIsPutAgainTakesWhatWaitsAlong(t *testing.T) {
	var fixed atomic.Bool
	h := newHarness(t, func(_ context.Context, _ wick.FunctionID, _ string, _ []byte) error {
		if !fixed.Load() {
			return wick.Errorf(wick.TooManyRequests, "Rate Exceeded.")
		}
		return nil
	}, subscribe(""))
	h.lines("a", 0, 10)
	h.until("an attempt", func() bool { return h.d.Stats().Failed > 0 })
	h.filter(subscribe("line"))
	h.lines("a", 10, 20)
	fixed.Store(true)
	h.until("all", func() bool { return h.d.Stats().Delivered == 20 })
	h.inOrder("a", 20)
}
