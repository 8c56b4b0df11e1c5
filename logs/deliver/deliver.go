package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/filter"
)

// Invoke has a function work on an event, and returns when it has. ErrFunctionFailed
// says that the function ran and failed; other errors are of kinds that tell whether
// to try again.
type Invoke func(ctx context.Context, function wick.FunctionID, qualifier string, event []byte) error

// ErrFunctionFailed is Invoke's for a function that ran and failed.
var ErrFunctionFailed = errors.New("the function failed")

// Metric is a value that a metric filter made of a record.
type Metric struct {
	Account, Region string
	Namespace, Name string
	Dimensions      map[string]string
	Unit            string // "None" when the filter has none
	Value           float64
	At              time.Time
}

// Metrics takes what metric filters make. It must not block.
type Metrics interface{ Put(m Metric) }

// Options configure Open. Logs and Groups are needed.
type Options struct {
	Logs   *logs.Logs
	Groups wick.LogGroupStore
	// Invoke delivers to functions; without it subscriptions keep and drop records.
	Invoke  Invoke
	Metrics Metrics // nil: metric filters make nothing
	Log     *slog.Logger

	// RetryFor is how long the delivery of a record is tried; 0 means AWS's 24 hours.
	RetryFor time.Duration
	// FirstRetry is the pause before the second attempt; it doubles up to a minute. 0
	// means a second.
	FirstRetry time.Duration
	// MaxWaiting is how much text may wait for one subscription; 0 means 16 MiB.
	MaxWaiting int
}

// Deliver applies the filters of all log groups. Its methods can be called from several
// goroutines.
type Deliver struct {
	o   Options
	tap *logs.Tap

	mu     sync.RWMutex // guards groups
	groups map[wick.LogGroupID]*group

	stats stats

	ctx       context.Context
	cancel    context.CancelFunc
	closeOnce sync.Once
	reader    sync.WaitGroup
	workers   sync.WaitGroup
}

// group is what is to be done with a group's records.
type group struct {
	metrics       []*metricFilter
	subscriptions []*subscription
}

// stats count since the start.
type stats struct{ delivered, dropped, failed, metrics atomic.Int64 }

// Stats counts what was done since the start.
type Stats struct {
	Delivered int64 // records that functions took
	Dropped   int64 // records that were not delivered: too much, too long, or no function
	Failed    int64 // deliveries that failed, those that were tried again included
	Metrics   int64 // values made
}

// Open loads all filters and begins to apply them to what comes from now on.
func Open(ctx context.Context, o Options) (*Deliver, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RetryFor <= 0 {
		o.RetryFor = 24 * time.Hour
	}
	if o.FirstRetry <= 0 {
		o.FirstRetry = time.Second
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 16 << 20
	}
	d := &Deliver{o: o, groups: map[wick.LogGroupID]*group{}}
	for _, kind := range []wick.LogFilterKind{wick.MetricFilter, wick.SubscriptionFilter} {
		all, err := o.Groups.LogFilters(ctx, wick.LogFilterQuery{Kind: kind})
		if err != nil {
			return nil, err
		}
		for i := range all {
			d.add(&all[i])
		}
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.tap = o.Logs.Tap(d.wants, tapBytes)
	d.reader.Add(1)
	go d.run()
	return d, nil
}

// tapBytes is how much text may wait to be looked at.
const tapBytes = 32 << 20

// Close ends the deliveries; what still waits for a function is lost, and the log says
// how much. It can be called twice.
func (d *Deliver) Close() error {
	d.closeOnce.Do(func() {
		d.tap.Close()
		d.cancel()
		d.reader.Wait()
		d.mu.Lock()
		lost := 0
		for _, g := range d.groups {
			for _, s := range g.subscriptions {
				lost += s.close()
			}
			for _, m := range g.metrics {
				m.end()
			}
		}
		d.mu.Unlock()
		d.workers.Wait()
		if lost > 0 {
			d.o.Log.Warn("log records were not delivered to their subscriptions before the end", "records", lost)
		}
	})
	return nil
}

// Stats returns the counts.
func (d *Deliver) Stats() Stats {
	return Stats{
		Delivered: d.stats.delivered.Load(), Dropped: d.stats.dropped.Load(),
		Failed: d.stats.failed.Load(), Metrics: d.stats.metrics.Load(),
	}
}

// wants says whether a group has filters.
func (d *Deliver) wants(id wick.LogGroupID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.groups[id] != nil
}

// Changed takes up the filters that a group has now: after one was put or deleted, and
// after the group was.
func (d *Deliver) Changed(ctx context.Context, id wick.LogGroupID) error {
	var all []wick.LogFilter
	for _, kind := range []wick.LogFilterKind{wick.MetricFilter, wick.SubscriptionFilter} {
		some, err := d.o.Groups.LogFilters(ctx, wick.LogFilterQuery{Group: id, Kind: kind})
		if err != nil && wick.KindOf(err) != wick.NotFound {
			return err
		}
		all = append(all, some...)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.groups[id]
	delete(d.groups, id)
	for i := range all {
		d.addLocked(&all[i], before)
	}
	if before != nil {
		for _, s := range before.subscriptions {
			d.stats.dropped.Add(int64(s.close()))
		}
		for _, m := range before.metrics {
			m.end()
		}
	}
	return nil
}

func (d *Deliver) add(f *wick.LogFilter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addLocked(f, nil)
}

// addLocked takes up a filter; one that is as it was before goes on with what it has.
// d.mu is held.
func (d *Deliver) addLocked(f *wick.LogFilter, before *group) {
	pattern, err := filter.Parse(f.Pattern)
	if err != nil { // it was checked when it was put
		d.o.Log.Error("a filter's pattern can't be read", "group", f.Group.Name, "filter", f.Name, "error", err)
		return
	}
	g := d.groups[f.Group]
	if g == nil {
		g = &group{}
		d.groups[f.Group] = g
	}
	if f.Kind == wick.MetricFilter {
		g.metrics = append(g.metrics, before.metric(f, func() *metricFilter { return newMetricFilter(d, f, pattern) }))
		return
	}
	g.subscriptions = append(g.subscriptions, before.subscription(f, func() *subscription { return newSubscription(d, f, pattern) }))
}

// run looks at what comes out of the tap.
func (d *Deliver) run() {
	defer d.reader.Done()
	minutes := time.NewTicker(defaultsEvery)
	defer minutes.Stop()
	more := make(chan []logs.Tapped)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			some, err := d.tap.Take(d.ctx)
			if err != nil {
				return
			}
			select {
			case more <- some:
			case <-d.ctx.Done():
				return
			}
		}
	}()
	defer func() { <-done }()
	for {
		select {
		case some := <-more:
			for i := range some {
				d.apply(&some[i])
			}
			if records, bytes := d.tap.Dropped(); records > 0 {
				d.stats.dropped.Add(records)
				d.o.Log.Warn("log records came faster than filters can be applied to them", "records", records, "bytes", bytes)
			}
		case now := <-minutes.C:
			d.eachMetric(func(m *metricFilter) { m.tick(now) })
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *Deliver) eachMetric(f func(*metricFilter)) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, g := range d.groups {
		for _, m := range g.metrics {
			f(m)
		}
	}
}

// apply has a group's filters look at records.
func (d *Deliver) apply(some *logs.Tapped) {
	d.mu.RLock()
	defer d.mu.RUnlock() // filters only queue what they find
	g := d.groups[some.Group]
	if g == nil {
		return
	}
	for _, s := range g.subscriptions {
		s.begin(some.Stream)
	}
	some.Each(func(e wick.LogEvent) {
		for _, m := range g.metrics {
			m.see(&e)
		}
		for _, s := range g.subscriptions {
			s.see(&e)
		}
	})
	for _, s := range g.subscriptions {
		s.wake()
	}
}
