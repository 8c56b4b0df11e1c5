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

// Metrics takes what metric filters make, and what came of deliveries. It must not block.
type Metrics interface{ Put(m Metric) }

// Options configure Open. Logs and Groups are needed.
type Options struct {
	Logs   *logs.Logs
	Groups wick.LogGroupStore
	// Invoke delivers to functions; without it subscriptions keep and drop records.
	Invoke  Invoke
	Metrics Metrics // nil: metric filters make nothing
	Log     *slog.Logger

	// RetryFor is how long the delivery of a record is tried, from when it came, also over
	// restarts; 0 means AWS's 24 hours.
	RetryFor time.Duration
	// FirstRetry is the pause before the second attempt; it doubles up to a minute. 0
	// means a second.
	FirstRetry time.Duration
	// MaxWaiting is how much text of one subscription waits in memory; 0 means 16 MiB. The
	// rest waits in the store.
	MaxWaiting int
}

// Deliver applies the filters of all log groups. Its methods can be called from several
// goroutines.
type Deliver struct {
	o          Options
	tap        *logs.Tap // for metric filters
	stopStored func()

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
type stats struct{ delivered, dropped, unseen, failed, metrics atomic.Int64 }

// Stats counts what was done since the start.
type Stats struct {
	Delivered int64 // records that functions took
	Dropped   int64 // records that were not delivered: too long, too often, or no function
	Unseen    int64 // records that came faster than metric filters can be applied to them
	Failed    int64 // deliveries that failed, those that were tried again included
	Metrics   int64 // values made
}

// Open loads all filters and begins to apply them: metric filters to what comes from now
// on, subscription filters to what they had not delivered when the log was closed.
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
	d.ctx, d.cancel = context.WithCancel(context.Background())
	// Before the first subscription reads, so that none misses what comes then.
	d.stopStored = o.Logs.OnStored(d.stored)
	for _, kind := range []wick.LogFilterKind{wick.MetricFilter, wick.SubscriptionFilter} {
		all, err := o.Groups.LogFilters(ctx, wick.LogFilterQuery{Kind: kind})
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		for i := range all {
			d.add(&all[i])
		}
	}
	d.tap = o.Logs.Tap(d.wants, tapBytes)
	d.reader.Add(1)
	go d.run()
	return d, nil
}

// tapBytes is how much text may wait for metric filters to look at it.
const tapBytes = 32 << 20

// Close ends the deliveries; what still waits for a function, the next Open goes on with.
// It can be called twice.
func (d *Deliver) Close() error {
	d.closeOnce.Do(func() {
		d.stopStored()
		if d.tap != nil {
			d.tap.Close()
		}
		d.cancel()
		d.reader.Wait()
		d.mu.Lock()
		waiting := 0
		for _, g := range d.groups {
			for _, s := range g.subscriptions {
				waiting += s.close()
			}
			for _, m := range g.metrics {
				m.end()
			}
		}
		d.mu.Unlock()
		d.workers.Wait()
		if waiting > 0 {
			d.o.Log.Info("log records wait for their subscriptions until the next start", "records", waiting)
		}
	})
	return nil
}

// stored tells a group's subscriptions that there is more.
func (d *Deliver) stored(id wick.LogGroupID) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if g := d.groups[id]; g != nil {
		for _, s := range g.subscriptions {
			s.wake()
		}
	}
}

// Stats returns the counts.
func (d *Deliver) Stats() Stats {
	return Stats{
		Delivered: d.stats.delivered.Load(), Dropped: d.stats.dropped.Load(), Unseen: d.stats.unseen.Load(),
		Failed: d.stats.failed.Load(), Metrics: d.stats.metrics.Load(),
	}
}

// wants says whether a group has metric filters.
func (d *Deliver) wants(id wick.LogGroupID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	g := d.groups[id]
	return g != nil && len(g.metrics) > 0
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
			s.close()
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
	t := newTarget(f, pattern)
	sub := before.subscription(&t)
	if sub == nil {
		sub = newSubscription(d, t)
	}
	g.subscriptions = append(g.subscriptions, sub)
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
				d.stats.unseen.Add(records)
				d.o.Log.Warn("log records came faster than metric filters can be applied to them", "records", records, "bytes", bytes)
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

// apply has a group's metric filters look at records.
func (d *Deliver) apply(some *logs.Tapped) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	g := d.groups[some.Group]
	if g == nil {
		return
	}
	some.Each(func(e wick.LogEvent) {
		for _, m := range g.metrics {
			m.see(&e)
		}
	})
}
