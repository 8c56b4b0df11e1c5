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
	"sync/atomic"
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
