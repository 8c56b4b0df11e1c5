package metrics

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

// noon is when every test begins.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

type harness struct {
	*Metrics
	t     *testing.T
	clock *clock
	store *sqlstore.Store
}

func newHarness(t *testing.T, o Options) *harness {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, clock: &clock{at: noon}, store: store}
	if o.Store == nil {
		o.Store = store
	}
	o.Now = h.clock.now
	if o.FlushEvery == 0 {
		o.FlushEvery = time.Hour // tests say when
	}
	h.Metrics = Open(o)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *harness) sync() {
	h.t.Helper()
	if err := h.Sync(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// points returns all points of a metric, after a Sync.
func (h *harness) points(namespace, name string, dimensions ...string) []wick.MetricPoint {
	h.t.Helper()
	h.sync()
	q := wick.MetricQuery{From: noon.Add(-1000 * time.Hour), To: noon.Add(1000 * time.Hour), Metric: wick.Metric{
		Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: namespace, Name: name,
	}}
	for i := 0; i < len(dimensions); i += 2 {
		q.Dimensions = append(q.Dimensions, wick.Dimension{Name: dimensions[i], Value: dimensions[i+1]})
	}
	points, err := h.Points(h.t.Context(), q)
	if err != nil {
		h.t.Fatal(err)
	}
	return points
}

// sums renders points as START:COUNT/SUM/MAX.
func sums(points []wick.MetricPoint) string {
	text := ""
	for _, p := range points {
		text += fmt.Sprintf("%s:%v/%v/%v ", p.Start.Format("15:04:05"), p.Values.Count, p.Values.Sum, p.Values.Max)
	}
	return text
}

// function is a version of a function.
func function(name, v string) *wick.Function {
	return &wick.Function{FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: name}, Version: v}
}

// invoke states an invocation that ends at a time.
func (m *Metrics) invoke(end time.Time, src *wick.Source, took time.Duration, status wick.Status) {
	m.Record(end.Add(-took), src, wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceBusy})
	m.Record(end, src, wick.RuntimeDone{Status: status, Duration: took})
	m.Record(end, src, wick.Report{Status: status, Duration: took, MaxMemoryMB: 64})
	m.Record(end, src, wick.StateChanged{From: wick.InstanceBusy, To: wick.InstanceIdle})
}
