package metrics

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// Namespaces of the metrics that come from Wick: AWS's for what AWS has, and Wick's own
// for the rest.
const (
	LambdaNamespace = "AWS/Lambda"
	OwnNamespace    = "Wick"
)

// Options configure Metrics. Store is needed.
type Options struct {
	Store wick.MetricStore
	Log   *slog.Logger     // nil discards
	Now   func() time.Time // nil: the system's clock
	// FlushEvery is how long a value waits in memory before it is stored; 0: 5 s. A crash
	// of the server loses what is younger.
	FlushEvery time.Duration
	// MaxPending is how many points may wait for the store; 0: 20,000. What would need
	// more is dropped and counted.
	MaxPending int
	// MaxMetrics is how many metrics there can be in all; 0: 200,000.
	MaxMetrics int
}

// Gauge is how much of something there is at the moment.
type Gauge struct {
	Name, Unit string
	Dimensions []wick.Dimension
	Value      float64
}

// Metrics counts, keeps and answers. Its methods can be called from several goroutines.
type Metrics struct {
	o      Options
	lambda meters
	points pending
	lines  lines

	subscribersMu sync.Mutex // guards the next three
	subscribers   map[int]func([]wick.MetricPoint)
	subscribed    int
	tellGauges    func() []Gauge

	lost    Losses
	said    int64 // of the losses, by the flushing goroutine
	syncs   chan chan error
	retry   []wick.MetricPoint // what the store refused; the flushing goroutine's
	failing bool               // likewise
	idleFor int                // flushes that had nothing but gauges; likewise
	gauges  pending            // values of Gauges

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
}

// Losses counts what was not kept since the start.
type Losses struct {
	Values    atomic.Int64 // values for which there was no room in memory
	Points    atomic.Int64 // points that the store didn't take
	Metrics   atomic.Int64 // points of metrics beyond MaxMetrics
	Lines     atomic.Int64 // lines in the embedded format that came too fast
	Malformed atomic.Int64 // lines that say they are in the embedded format and aren't
}

// Open returns Metrics that work until Close.
func Open(o Options) *Metrics {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 5 * time.Second
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 20_000
	}
	if o.MaxMetrics <= 0 {
		o.MaxMetrics = 200_000
	}
	m := &Metrics{
		o: o, subscribers: map[int]func([]wick.MetricPoint){}, syncs: make(chan chan error),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	m.lines.open(m)
	go m.run()
	return m
}

// Close stores what has been counted and ends; what comes after that is dropped. It can
// be called twice.
func (m *Metrics) Close() error {
	m.closeOnce.Do(func() { close(m.closing) })
	<-m.done
	return nil
}

// Losses returns the counts of what wasn't kept.
func (m *Metrics) Losses() *Losses { return &m.lost }

// Subscribe has f called with what each flush adds to the metrics, from the goroutine
// that stores them: f must not wait, nor keep or change the points. cancel ends it.
func (m *Metrics) Subscribe(f func([]wick.MetricPoint)) (cancel func()) {
	m.subscribersMu.Lock()
	defer m.subscribersMu.Unlock()
	m.subscribed++
	id := m.subscribed
	m.subscribers[id] = f
	return func() {
		m.subscribersMu.Lock()
		defer m.subscribersMu.Unlock()
		delete(m.subscribers, id)
	}
}

// Gauges has f asked at each flush how the server itself is, which is recorded as metrics
// of Wick's own namespace.
func (m *Metrics) Gauges(f func() []Gauge) {
	m.subscribersMu.Lock()
	defer m.subscribersMu.Unlock()
	m.tellGauges = f
}

// Sync returns when everything counted before it is stored, or with the store's error.
func (m *Metrics) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case m.syncs <- answer:
	case <-m.done:
		return wick.Errorf(wick.Unavailable, "metrics are closed: the server is shutting down")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Points returns points of a metric that are stored: Sync before it has those that have
// just been counted among them.
func (m *Metrics) Points(ctx context.Context, q wick.MetricQuery) ([]wick.MetricPoint, error) {
	return m.o.Store.MetricPoints(ctx, q)
}

// List returns metrics that are stored, as Points does.
func (m *Metrics) List(ctx context.Context, q wick.MetricListQuery) ([]wick.StoredMetric, error) {
	return m.o.Store.Metrics(ctx, q)
}

const (
	writeTimeout = 10 * time.Second
	// batchPoints bounds one transaction: others want to write, too.
	batchPoints = 500
	// idleFlushes is how many flushes in a row may be left out when there is nothing but
	// gauges: an idle server should let the disk rest.
	idleFlushes = 11
)

// run is the one goroutine that stores.
func (m *Metrics) run() {
	defer close(m.done)
	tick := time.NewTicker(m.o.FlushEvery)
	defer tick.Stop()
	sweep := time.NewTimer(firstSweep)
	defer sweep.Stop()
	for {
		select {
		case <-tick.C:
			m.sample()
			_ = m.flush(false) // it has told the operator
		case answer := <-m.syncs:
			answers := []chan error{answer}
			for more := true; more; { // one flush serves all who wait
				select {
				case a := <-m.syncs:
					answers = append(answers, a)
				default:
					more = false
				}
			}
			m.lines.drain()
			err := m.flush(true)
			for _, a := range answers {
				a <- err
			}
		case <-sweep.C:
			sweep.Reset(m.sweep())
		case <-m.closing:
			m.lines.close()
			m.sample()
			_ = m.flush(true) // it has told the operator
			return
		}
	}
}

// flush stores what has been counted. Unless it must, it leaves gauges alone when there
// is nothing else.
func (m *Metrics) flush(must bool) error {
	points := m.points.take(m.lambda.drain(m.o.Now()))
	if len(points) > 0 || m.idleFor >= idleFlushes || must {
		m.idleFor = 0
		points = m.gauges.take(points)
	} else {
		m.idleFor++
	}
	m.tell(points)
	return m.write(points)
}

// tell passes points to the subscribers.
func (m *Metrics) tell(points []wick.MetricPoint) {
	if len(points) == 0 {
		return
	}
	m.subscribersMu.Lock()
	defer m.subscribersMu.Unlock()
	for _, f := range m.subscribers {
		f(points)
	}
}

// write stores points, and those that it couldn't before.
func (m *Metrics) write(points []wick.MetricPoint) error {
	points = append(m.retry, points...)
	m.retry = nil
	leftOut := 0
	for len(points) > 0 {
		batch := points[:min(len(points), batchPoints)]
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		n, err := m.o.Store.AddMetricPoints(ctx, batch, m.o.MaxMetrics)
		cancel()
		if err != nil {
			m.refused(points, err)
			return err
		}
		leftOut += n
		points = points[len(batch):]
	}
	m.failing = false
	m.lost.Metrics.Add(int64(leftOut))
	m.sayLosses()
	return nil
}

// refused keeps what the store didn't take for the next flush, as much as may wait.
func (m *Metrics) refused(points []wick.MetricPoint, err error) {
	if over := len(points) - m.o.MaxPending; over > 0 {
		m.lost.Points.Add(int64(over))
		points = points[over:]
	}
	m.retry = points
	if !m.failing {
		m.o.Log.Error("metrics can't be stored; it is tried again", "points", len(points), "error", err)
	}
	m.failing = true
}

// sayLosses tells the operator of what has been lost since it last did.
func (m *Metrics) sayLosses() {
	l := &m.lost
	lost := l.Values.Load() + l.Points.Load() + l.Metrics.Load() + l.Lines.Load()
	if lost > m.said {
		m.o.Log.Warn("metrics were dropped", "since start", lost, "values over the bound in memory", l.Values.Load(),
			"points not stored", l.Points.Load(), "of metrics beyond the most", l.Metrics.Load(), "lines too fast", l.Lines.Load())
	}
	m.said = lost
}

// sample records the gauges.
func (m *Metrics) sample() {
	m.subscribersMu.Lock()
	tell := m.tellGauges
	m.subscribersMu.Unlock()
	if tell == nil {
		return
	}
	minute := m.o.Now().Truncate(time.Minute)
	for _, g := range tell() {
		p := wick.MetricPoint{Unit: g.Unit, Start: minute, Period: time.Minute, Metric: wick.Metric{
			Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: OwnNamespace, Name: g.Name, Dimensions: g.Dimensions,
		}}
		p.Values.Add(g.Value, 1)
		m.gauges.add(&p, m.o.MaxPending)
	}
}

// Retention of points by their period. Source: CloudWatch user guide, metrics retention:
// under a minute 3 hours, a minute 15 days, 5 minutes 63 days, an hour 455 days.
var retention = []struct{ period, into, age time.Duration }{
	{time.Second, 0, 3 * time.Hour},
	{time.Minute, 5 * time.Minute, 15 * day},
	{5 * time.Minute, time.Hour, 63 * day},
	{time.Hour, 0, 455 * day},
}

const (
	day = 24 * time.Hour
	// Sweeping leaves a start alone, and lets others write in between.
	firstSweep = time.Minute
	sweepEvery = 10 * time.Minute
	sweepPause = 100 * time.Millisecond
	sweepBatch = 500
)

// sweep rolls up or deletes some of what is too old and returns when to go on.
func (m *Metrics) sweep() time.Duration {
	next := sweepEvery
	for _, r := range retention {
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		// Up to a whole longer period, so that no part of it is rolled up alone.
		before := m.o.Now().Add(-r.age).Truncate(max(r.into, r.period))
		n, err := m.o.Store.RollUpMetrics(ctx, r.period, r.into, before, sweepBatch)
		cancel()
		if err != nil {
			m.o.Log.Warn("old metrics can't be rolled up; it is tried again", "error", err)
			return sweepEvery
		}
		if n >= sweepBatch {
			next = sweepPause
		}
	}
	return next
}

var errClosed = errors.New("metrics are closed: the server is shutting down")
