package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// nothing is a store that keeps nothing.
type nothing struct{ wick.MetricStore }

func (nothing) AddMetricPoints(context.Context, []wick.MetricPoint, int) (int, error) { return 0, nil }

func (h *harness) put(data ...Datum) {
	h.t.Helper()
	if err := h.Put(h.t.Context(), wick.DefaultAccount, wick.DefaultRegion, "App", data); err != nil {
		h.t.Fatal(err)
	}
}

func TestWhatIsPutIsAddedUp(t *testing.T) {
	h := newHarness(t, Options{})
	dims := []wick.Dimension{{Name: "B", Value: "2"}, {Name: "A", Value: "1"}}
	h.put(
		Datum{Name: "Latency", Unit: "Milliseconds", Values: []float64{1, 2}, Counts: []float64{3, 1}, Dimensions: dims},
		Datum{Name: "Latency", Unit: "Milliseconds", Values: []float64{9}, Dimensions: []wick.Dimension{dims[1], dims[0]}, HighResolution: true, At: noon.Add(1500 * time.Millisecond)},
		Datum{Name: "Latency", Set: &StatisticSet{SampleCount: 2, Sum: 5, Minimum: 2, Maximum: 3}, At: noon.Add(-time.Hour)},
	)
	if got := sums(h.points("App", "Latency", "A", "1", "B", "2")); got != "12:00:00:5/14/9 " {
		t.Errorf("with dimensions it is %s", got)
	}
	if got := sums(h.points("App", "Latency")); got != "11:00:00:2/5/3 " {
		t.Errorf("without it is %s", got)
	}
	if dims[0].Name != "B" {
		t.Error("the caller's dimensions were sorted in their place")
	}
	q := wick.MetricQuery{From: noon, To: noon.Add(time.Hour), Seconds: true, Metric: wick.Metric{
		Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: "App", Name: "Latency",
		Dimensions: []wick.Dimension{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
	}}
	if points, err := h.Points(t.Context(), q); err != nil || sums(points) != "12:00:01:1/9/9 " {
		t.Errorf("by the second it is %s, %v", sums(points), err)
	}
}

func TestWhatThereIsNoRoomForIsCountedAndSaid(t *testing.T) {
	var said strings.Builder
	h := newHarness(t, Options{MaxPending: 3, MaxMetrics: 2, Log: slog.New(slog.NewTextHandler(&said, nil))})
	data := make([]Datum, 5)
	for i := range data {
		data[i] = Datum{Name: fmt.Sprint("M", i), Values: []float64{1}}
	}
	err := h.Put(t.Context(), wick.DefaultAccount, wick.DefaultRegion, "App", data)
	if wick.KindOf(err) != wick.TooManyRequests {
		t.Errorf("it is %v", err)
	}
	h.put(Datum{Name: "M0", Values: []float64{1}}) // those that are there take more
	h.sync()
	if l := h.Losses(); l.Values.Load() != 2 || l.Metrics.Load() != 1 {
		t.Errorf("lost are %d values and %d points of further metrics", l.Values.Load(), l.Metrics.Load())
	}
	if !strings.Contains(said.String(), "metrics were dropped") {
		t.Errorf("the operator was told %q", said.String())
	}
}

// failing is a store that fails until it is told not to.
type failing struct {
	wick.MetricStore
	mu    sync.Mutex
	fails bool
}

func (f *failing) AddMetricPoints(ctx context.Context, points []wick.MetricPoint, most int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails {
		return 0, errors.New("the disk is full")
	}
	return f.MetricStore.AddMetricPoints(ctx, points, most)
}

func TestWhatTheStoreRefusesIsTriedAgain(t *testing.T) {
	store := &failing{fails: true}
	h := newHarness(t, Options{Store: store})
	store.MetricStore = h.store
	h.put(Datum{Name: "Latency", Values: []float64{1}})
	if err := h.Sync(t.Context()); err == nil {
		t.Fatal("Sync should say that the store failed")
	}
	h.put(Datum{Name: "Latency", Values: []float64{2}})
	store.mu.Lock()
	store.fails = false
	store.mu.Unlock()
	if got := sums(h.points("App", "Latency")); got != "12:00:00:2/3/2 " {
		t.Errorf("in the end there is %s", got)
	}
}

func TestCloseStoresWhatIsThereAndTakesNoMore(t *testing.T) {
	h := newHarness(t, Options{})
	h.put(Datum{Name: "Latency", Values: []float64{1}})
	h.Embedded(noon, wick.DefaultAccount, wick.DefaultRegion, fmt.Sprintf(
		`{"_aws":{"Timestamp":%d,"CloudWatchMetrics":[{"Namespace":"App","Dimensions":[[]],"Metrics":[{"Name":"n"}]}]},"n":5}`, noon.UnixMilli()))
	for range 2 {
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Latency", "n"} {
		points, err := h.store.MetricPoints(t.Context(), wick.MetricQuery{From: noon, To: noon.Add(time.Hour), Metric: wick.Metric{
			Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: "App", Name: name,
		}})
		if err != nil || len(points) != 1 {
			t.Errorf("of %s there is %s, %v", name, sums(points), err)
		}
	}
	if err := h.Put(t.Context(), "", "", "App", nil); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("after that it is %v", err)
	}
	if err := h.Sync(t.Context()); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("after that Sync says %v", err)
	}
}

func TestSubscribersSeeWhatEachFlushAdds(t *testing.T) {
	h := newHarness(t, Options{})
	var got []string
	cancel := h.Subscribe(func(points []wick.MetricPoint) { got = append(got, sums(points)) })
	h.put(Datum{Name: "Latency", Values: []float64{1}})
	h.sync()
	h.put(Datum{Name: "Latency", Values: []float64{2}})
	h.sync()
	h.sync()
	cancel()
	h.put(Datum{Name: "Latency", Values: []float64{3}})
	h.sync()
	if fmt.Sprint(got) != "[12:00:00:1/1/1  12:00:00:1/2/2 ]" {
		t.Errorf("it saw %q", got)
	}
}

func TestGaugesAreSampledAtEachFlush(t *testing.T) {
	h := newHarness(t, Options{FlushEvery: time.Millisecond})
	h.Gauges(func() []Gauge {
		return []Gauge{{Name: "Instances", Unit: "Count", Dimensions: []wick.Dimension{{Name: "State", Value: "idle"}}, Value: 4}}
	})
	for len(h.points(OwnNamespace, "Instances", "State", "idle")) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("they never are")
		}
	}
}

func TestWhatIsCountedIsStoredWithoutBeingAskedFor(t *testing.T) {
	h := newHarness(t, Options{FlushEvery: time.Millisecond})
	h.put(Datum{Name: "Latency", Values: []float64{1}})
	for {
		points, err := h.store.MetricPoints(t.Context(), wick.MetricQuery{From: noon, To: noon.Add(time.Hour), Metric: wick.Metric{
			Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: "App", Name: "Latency",
		}})
		if err != nil { // the test's end, at the latest
			t.Fatal(err)
		}
		if len(points) == 1 {
			return
		}
	}
}

func TestOldPointsAreRolledUp(t *testing.T) {
	h := newHarness(t, Options{})
	h.put(Datum{Name: "Old", Values: []float64{1}, At: noon.Add(-14 * day)}, Datum{Name: "Old", Values: []float64{2}, At: noon.Add(-14*day + time.Minute)},
		Datum{Name: "Second", Values: []float64{1}, HighResolution: true})
	h.sync()
	h.clock.set(noon.Add(2 * day))
	for h.sweep() == sweepPause {
	}
	points := h.points("App", "Old")
	if len(points) != 1 || points[0].Period != 5*time.Minute || points[0].Values.Count != 2 {
		t.Errorf("after 15 days there is %s", sums(points))
	}
	if got := sums(h.points("App", "Second")); got != "12:00:00:1/1/1 " {
		t.Errorf("by the minute there is %s", got)
	}
	h.clock.set(noon.Add(500 * day))
	for range 3 {
		h.sweep()
	}
	if points := h.points("App", "Old"); len(points) != 0 {
		t.Errorf("after 455 days there is %s", sums(points))
	}
}
