package deliver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

const patience = time.Minute

var testGroup = wick.LogGroupID{Account: "111111111111", Region: "us-east-1", Name: "g"}

const destination = "arn:aws:lambda:us-east-1:111111111111:function:subscriber:live"

// harness is a log with filters, and what they do.
type harness struct {
	t     *testing.T
	store *sqlstore.Store
	logs  *logs.Logs
	o     Options
	d     *Deliver

	mu      sync.Mutex
	got     []message
	metrics []Metric           // of metric filters
	sums    map[string]float64 // of deliveries, by name and dimensions
	changed chan struct{}      // of size 1: got or metrics grew
}

// newHarness opens one; invoke nil is a function that takes everything.
func newHarness(t *testing.T, invoke Invoke, filters ...wick.LogFilter) *harness {
	t.Helper()
	h := &harness{t: t, changed: make(chan struct{}, 1)}
	var err error
	if h.store, err = sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	if h.logs, err = logs.Open(logs.Options{Store: h.store, Groups: h.store, Log: slog.New(slog.DiscardHandler), FlushEvery: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := h.store.CreateLogGroup(t.Context(), wick.LogGroup{LogGroupID: testGroup, Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, f := range filters {
		h.filter(f)
	}
	h.o = Options{
		Logs: h.logs, Groups: h.store, Metrics: h, RetryFor: patience, FirstRetry: time.Millisecond, MaxWaiting: 64 << 10,
		Invoke: func(ctx context.Context, function wick.FunctionID, qualifier string, event []byte) error {
			if got := function.QualifiedARN(qualifier); got != destination {
				t.Errorf("%s was invoked", got)
			}
			if invoke != nil {
				if err := invoke(ctx, function, qualifier, event); err != nil {
					return err
				}
			}
			h.take(event)
			return nil
		},
	}
	h.open()
	t.Cleanup(func() {
		if err := errors.Join(h.d.Close(), h.d.Close(), h.logs.Close(), h.store.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// open begins to deliver, and ends what did before.
func (h *harness) open() {
	h.t.Helper()
	if h.d != nil {
		if err := h.d.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
	var err error
	if h.d, err = Open(h.t.Context(), h.o); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) filter(f wick.LogFilter) {
	h.t.Helper()
	f.Group, f.Created = testGroup, time.Now()
	if err := h.store.PutLogFilter(h.t.Context(), f, 100); err != nil {
		h.t.Fatal(err)
	}
	if h.d != nil {
		if err := h.d.Changed(h.t.Context(), testGroup); err != nil {
			h.t.Fatal(err)
		}
	}
}

// take is a function: it reads what it is sent.
func (h *harness) take(event []byte) {
	var e struct {
		AWSLogs struct {
			Data []byte `json:"data"`
		} `json:"awslogs"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		h.t.Errorf("%v in %.200s", err, event)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(e.AWSLogs.Data))
	if err != nil {
		h.t.Error(err)
		return
	}
	text, err := io.ReadAll(z)
	if err != nil {
		h.t.Error(err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		h.t.Errorf("%v in %.200s", err, text)
	}
	h.mu.Lock()
	h.got = append(h.got, m)
	h.mu.Unlock()
	h.grew()
}

// Put implements Metrics.
func (h *harness) Put(m Metric) {
	h.mu.Lock()
	if m.Namespace == "AWS/Logs" {
		if h.sums == nil {
			h.sums = map[string]float64{}
		}
		h.sums[fmt.Sprint(m.Name, " ", m.Dimensions)] += m.Value
	} else {
		h.metrics = append(h.metrics, m)
	}
	h.mu.Unlock()
	h.grew()
}

func (h *harness) grew() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// until waits for something to be so.
func (h *harness) until(what string, so func() bool) {
	h.t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		h.mu.Lock()
		ok := so()
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-h.changed:
		case <-poll.C:
		case <-deadline:
			h.t.Fatalf("%s never was; delivered %+v", what, h.d.Stats())
		}
	}
}

func (h *harness) write(stream string, lines ...string) {
	h.t.Helper()
	records := make([]logs.NewRecord, len(lines))
	for i, l := range lines {
		records[i] = logs.NewRecord{At: time.Now(), Message: l}
	}
	if err := h.logs.Put(h.t.Context(), testGroup, stream, records); err != nil {
		h.t.Fatal(err)
	}
}

// messages are what the function got, by stream; h.mu is held.
func (h *harness) messages() map[string][]string {
	all := map[string][]string{}
	for _, m := range h.got {
		for _, e := range m.LogEvents {
			all[m.LogStream] = append(all[m.LogStream], e.Message)
		}
	}
	return all
}

func TestAFilterCountsFromWhenItIsPutToWhenItIsDeleted(t *testing.T) {
	h := newHarness(t, nil)
	h.write("a", "before")
	h.filter(subscribe("x"))
	h.write("a", "x1", "x 1", "y 1")
	h.until("the first", func() bool { return len(h.messages()["a"]) == 1 })
	h.filter(subscribe("y"))
	h.write("a", "x 2", "y 2")
	h.until("the second", func() bool { return len(h.messages()["a"]) == 2 })
	if err := h.store.DeleteLogFilter(t.Context(), testGroup, wick.SubscriptionFilter, "s"); err != nil {
		t.Fatal(err)
	}
	if err := h.d.Changed(t.Context(), testGroup); err != nil {
		t.Fatal(err)
	}
	h.write("a", "y 3")
	h.filter(subscribe("y"))
	h.write("a", "y 4")
	h.until("the last", func() bool { return len(h.messages()["a"]) == 3 })
	if err := h.store.DeleteLogGroup(t.Context(), testGroup); err != nil {
		t.Fatal(err)
	}
	if err := h.d.Changed(t.Context(), testGroup); err != nil {
		t.Fatal(err)
	}
	h.write("a", "y 5")
	if err := h.d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(h.messages()["a"], ","); got != "x 1,y 2,y 4" {
		t.Errorf("delivered %s", got)
	}
}

func TestAMetricFilterMakesValues(t *testing.T) {
	metric := func(name, pattern, value string) wick.LogFilter {
		return wick.LogFilter{Kind: wick.MetricFilter, Name: name, Pattern: pattern, MetricNamespace: "App", MetricName: name, MetricValue: value}
	}
	size := metric("size", "{ $.kind = \"upload\" && $.bytes = * && $.tenant = * }", "$.bytes")
	size.Unit, size.Dimensions = "Bytes", map[string]string{"Tenant": "$.tenant"}
	h := newHarness(t, nil, metric("errors", "ERROR", "1"), size, metric("status", "[ip, status, ...]", "$status"))
	h.write("a", "ERROR one", `{"kind":"upload","bytes":12.5,"tenant":"t1"}`, `{"kind":"upload","bytes":"none","tenant":"t1"}`, `{"kind":"other","bytes":1,"tenant":"t1"}`, "10.0.0.1 200 x")
	h.until("the values", func() bool { return len(h.metrics) >= 3 })
	var got []string
	for _, m := range h.metrics {
		got = append(got, fmt.Sprintf("%s/%s %v %s %v", m.Namespace, m.Name, m.Value, m.Unit, m.Dimensions))
	}
	slices.Sort(got)
	want := "App/errors 1 None map[]; App/size 12.5 Bytes map[Tenant:t1]; App/status 200 None map[]"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("made %s, want %s", s, want)
	}
}

func TestAMinuteWithRecordsAndNoMatchHasTheDefault(t *testing.T) {
	h := newHarness(t, nil)
	zero := 0.0
	f := wick.LogFilter{Group: testGroup, Kind: wick.MetricFilter, Name: "m", Pattern: "ERROR", MetricNamespace: "App", MetricName: "m", MetricValue: "1", DefaultValue: &zero}
	h.filter(f)
	m := h.d.groups[testGroup].metrics[0]
	start := time.Date(2026, 11, 24, 12, 0, 30, 0, time.UTC)
	at := func(minutes int, text string) {
		m.see(&wick.LogEvent{Timestamp: start.Add(time.Duration(minutes) * time.Minute), Message: text})
	}
	at(0, "fine")
	at(0, "ERROR")
	at(1, "fine")
	at(3, "fine")
	m.tick(start.Add(2*time.Minute + 45*time.Second)) // minute 3 isn't over, 2 had no records
	var got []string
	for _, v := range h.metrics {
		got = append(got, fmt.Sprint(v.At.Format("15:04:05 "), v.Value))
	}
	if s := strings.Join(got, ", "); s != "12:00:30 1, 12:01:00 0" {
		t.Errorf("made %s", s)
	}
	m.end()
	if len(h.metrics) != 3 || len(m.minutes) != 0 {
		t.Errorf("at the end: %v, waiting %v", h.metrics, m.minutes)
	}
}

func TestOnlyFunctionsAreDestinations(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:lambda:eu-west-1:000000000000:function:f":        "eu-west-1 f ",
		"arn:aws:lambda:eu-west-1:000000000000:function:f:7":      "eu-west-1 f 7",
		"arn:aws:kinesis:eu-west-1:000000000000:stream/s":         "",
		"arn:aws:lambda:eu-west-1:000000000000:layer:f":           "",
		"arn:aws:lambda:eu-west-1:000000000000:function:f:7:more": "",
		"arn:aws:lambda:eu-west-1:000000000000:function:":         "",
		"f": "",
	} {
		id, qualifier, ok := ParseDestination(arn)
		got := ""
		if ok {
			got = id.Region + " " + id.Name + " " + qualifier
		}
		if got != want {
			t.Errorf("%s is %q, want %q", arn, got, want)
		}
	}
}
