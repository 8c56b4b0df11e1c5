package deliver

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/filter"
)

// Bounds of what is read ahead, of one delivery, and of those under way for one
// subscription. Records of one stream are delivered in order: one delivery of a stream at
// a time.
const (
	runsAtOnce     = 16
	maxBatchBytes  = 1 << 20
	maxBatch       = 10_000
	maxDeliveries  = 10
	recordOverhead = 100
)

// keepEvery is how often a subscription's position is kept: after a crash what was
// delivered since is delivered again.
const keepEvery = 500 * time.Millisecond

// subscription sends the records that match to a function. It reads them from the store,
// in the order of storing, and remembers there up to where all is delivered or given up:
// nothing that was stored is lost by a stop or a crash.
type subscription struct {
	d      *Deliver
	ctx    context.Context
	cancel context.CancelFunc
	more   chan struct{} // of size 1: something was stored, or done

	mu     sync.Mutex // guards all below
	target            // changes when the filter is put again
	closed bool
	// waiting holds what is to be delivered, by stream; turns are its streams of which
	// nothing is under way, those that wait longest first.
	waiting  map[string]*outbox
	turns    []string
	bytes    int // of text, in waiting and under way
	records  int // in waiting and under way
	underWay int
	// runs are those that were read and aren't done, in the order of storing. All up to done
	// are; read is up to where was read.
	runs       []*run
	read, done int64
}

// target is what a subscription's filter says.
type target struct {
	f         wick.LogFilter
	pattern   *filter.Filter
	extracts  bool              // the pattern names fields, which travel with the record
	system    map[string]string // what else does
	selected  bool              // by the filter's criteria, which are the same for all of a group
	function  wick.FunctionID
	qualifier string
}

// outbox is what waits of one stream.
type outbox struct {
	events []queued
	busy   bool // a delivery of the stream is under way
}

// queued is a record that waits.
type queued struct {
	record
	run      *run
	ingested time.Time
}

// run is a stored run of records, of which some wait.
type run struct {
	id   int64
	left int
}

func newSubscription(d *Deliver, t target) *subscription {
	s := &subscription{
		d: d, target: t, waiting: map[string]*outbox{}, more: make(chan struct{}, 1),
		read: t.f.Position, done: t.f.Position,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wake()
	d.workers.Add(1)
	go s.run()
	return s
}

func newTarget(f *wick.LogFilter, pattern *filter.Filter) target {
	t := target{f: *f, pattern: pattern, extracts: strings.HasPrefix(strings.TrimSpace(f.Pattern), "[")}
	t.function, t.qualifier, _ = ParseDestination(f.DestinationARN) // checked when it was put
	t.system, t.selected = system(f)
	return t
}

// ParseDestination takes a Lambda function's ARN apart; ok is false for another.
func ParseDestination(arn string) (function wick.FunctionID, qualifier string, ok bool) {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 || len(parts) > 8 || parts[0] != "arn" || parts[2] != "lambda" || parts[5] != "function" || parts[6] == "" {
		return function, "", false
	}
	if len(parts) == 8 {
		qualifier = parts[7]
	}
	return wick.FunctionID{Account: parts[4], Region: parts[3], Name: parts[6]}, qualifier, true
}

// subscription takes a group's subscription of a filter's name out of it and has it do
// from now on what the filter says now; what waits goes where that says. nil when there
// is none.
func (g *group) subscription(t *target) *subscription {
	if g == nil {
		return nil
	}
	for i, s := range g.subscriptions {
		if s.name() == t.f.Name {
			g.subscriptions = append(g.subscriptions[:i], g.subscriptions[i+1:]...)
			s.mu.Lock()
			s.target = *t
			s.mu.Unlock()
			return s
		}
	}
	return nil
}

func (s *subscription) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.f.Name
}

// wake has the subscription look for what there is to do.
func (s *subscription) wake() {
	select {
	case s.more <- struct{}{}:
	default: // it will look anyway
	}
}

// run reads on whenever something was stored and there is room, and keeps the position.
func (s *subscription) run() {
	defer s.d.workers.Done()
	s.mu.Lock()
	kept := s.done // by the store
	s.mu.Unlock()
	keeping := time.NewTimer(keepEvery)
	defer keeping.Stop()
	timed := true // keeping will tell: it does so while there is something to keep
	for {
		select {
		case <-s.more:
			if !s.readOn() {
				select { // the store failed; it is asked again
				case <-time.After(s.d.o.FirstRetry):
					s.wake()
				case <-s.ctx.Done():
				}
			}
		case <-keeping.C:
			timed = false
			kept = s.keep(kept)
		case <-s.ctx.Done():
			s.keep(kept)
			return
		}
		if !timed && s.isBehind(kept) {
			timed = true
			keeping.Reset(keepEvery)
		}
	}
}

// readOn reads what was stored since, while there is room for it; false says that the
// store failed.
func (s *subscription) readOn() bool {
	for {
		s.mu.Lock()
		room, from, group := s.bytes < s.d.o.MaxWaiting && !s.closed, s.read, s.f.Group
		s.mu.Unlock()
		if !room {
			return true
		}
		runs, err := s.d.o.Logs.After(s.ctx, group, from, runsAtOnce)
		if err != nil {
			if s.ctx.Err() == nil {
				s.d.o.Log.Error("log text can't be read for a subscription; it is tried again", "group", group.Name, "filter", s.name(), "error", err)
			}
			return false
		}
		for i := range runs {
			s.see(&runs[i])
		}
		s.dispatch()
		if len(runs) < runsAtOnce {
			return true
		}
	}
}

// see queues the records of a run that match.
func (s *subscription) see(r *logs.StoredRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := &run{id: r.ID}
	s.read = r.ID
	s.runs = append(s.runs, at)
	if s.selected {
		r.Each(func(e wick.LogEvent) { s.queue(at, &e) })
	}
	s.advance()
}

// queue queues a record, if it matches; s.mu is held.
func (s *subscription) queue(at *run, e *wick.LogEvent) {
	extracted := s.system
	if s.extracts {
		fields, ok := s.pattern.Extract(e.Message)
		if !ok {
			return
		}
		extracted = make(map[string]string, len(fields)+len(s.system))
		for name, value := range fields {
			extracted[strings.TrimPrefix(name, "$")] = value
		}
		for name, value := range s.system {
			extracted[name] = value
		}
	} else if !s.pattern.Match(e.Message) {
		return
	}
	box := s.waiting[e.Stream]
	if box == nil {
		box = &outbox{}
		s.waiting[e.Stream] = box
	}
	if len(box.events) == 0 && !box.busy {
		s.turns = append(s.turns, e.Stream)
	}
	box.events = append(box.events, queued{
		record: record{ID: logs.EventID(e), Timestamp: e.Timestamp.UnixMilli(), Message: e.Message, Extracted: extracted},
		run:    at, ingested: e.Ingested,
	})
	at.left++
	s.bytes += len(e.Message) + recordOverhead
	s.records++
}

// dispatch begins deliveries while there is something to deliver.
func (s *subscription) dispatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.underWay < maxDeliveries && len(s.turns) > 0 {
		stream := s.turns[0]
		s.turns = s.turns[1:]
		box := s.waiting[stream]
		n, size := 0, 0
		for n < len(box.events) && n < maxBatch && (n == 0 || size+len(box.events[n].Message)+recordOverhead <= maxBatchBytes) {
			size += len(box.events[n].Message) + recordOverhead
			n++
		}
		batch := box.events[:n:n]
		if box.events = box.events[n:]; len(box.events) == 0 {
			box.events = nil
		}
		box.busy = true
		s.underWay++
		s.d.workers.Add(1)
		go s.deliver(s.target, stream, batch, size)
	}
}

// deliver hands a batch of one stream to the function, again and again if need be.
func (s *subscription) deliver(t target, stream string, batch []queued, size int) {
	defer s.d.workers.Done()
	err := s.try(&t, stream, batch)
	if s.ctx.Err() != nil && err != nil {
		return // neither delivered nor given up: the next start goes on with it
	}
	if err == nil {
		s.d.stats.delivered.Add(int64(len(batch)))
	} else {
		s.d.stats.dropped.Add(int64(len(batch)))
		s.d.o.Log.Warn("log records were not delivered to a subscription",
			"group", t.f.Group.Name, "filter", t.f.Name, "destination", t.f.DestinationARN, "records", len(batch), "error", err)
	}
	s.mu.Lock()
	for i := range batch {
		batch[i].run.left--
	}
	s.advance()
	s.underWay--
	s.bytes -= size
	s.records -= len(batch)
	box := s.waiting[stream]
	box.busy = false
	if len(box.events) > 0 {
		s.turns = append(s.turns, stream)
	} else {
		delete(s.waiting, stream)
	}
	s.mu.Unlock()
	s.dispatch()
	s.wake() // there is room now, and a position to keep
}

// advance moves done behind the runs of which nothing is left; s.mu is held.
func (s *subscription) advance() {
	n := 0
	for n < len(s.runs) && s.runs[n].left == 0 {
		s.done = s.runs[n].id
		n++
	}
	clear(s.runs[:n])
	if s.runs = s.runs[n:]; len(s.runs) == 0 {
		s.runs = nil
	}
}

// isBehind says whether the position that is kept isn't the one there is.
func (s *subscription) isBehind(kept int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done != kept
}

// keep has the store remember the position, if it isn't the one that it knows, and
// returns the one it knows then.
func (s *subscription) keep(kept int64) int64 {
	s.mu.Lock()
	done, f := s.done, s.f
	s.mu.Unlock()
	if done == kept {
		return kept
	}
	// Also when the subscription ends: the store is closed after it.
	if err := s.d.o.Groups.AdvanceLogFilter(context.WithoutCancel(s.ctx), f.Group, f.Kind, f.Name, done); err != nil {
		s.d.o.Log.Error("a subscription's position can't be kept; it is tried again", "group", f.Group.Name, "filter", f.Name, "error", err)
		return kept
	}
	return done
}

// close ends the subscription and returns how many records wait for the next start.
func (s *subscription) close() int {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	s.closed = true
	return s.records
}
