package traces

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// Bounds of what waits to be stored, and how often that is.
const (
	maxQueued      = 8192
	maxQueuedBytes = 16 << 20
	maxBatch       = 512
	batchPause     = 100 * time.Millisecond
	writeTimeout   = 10 * time.Second
)

// retention is how long traces are kept. Source: X-Ray FAQ, 30 days. Sweeping leaves a
// start alone, and lets others write in between.
const (
	retention  = 30 * 24 * time.Hour
	firstSweep = time.Minute
	sweepEvery = time.Hour
	sweepPause = 100 * time.Millisecond
	sweepBatch = 1000
)

// Options configure Traces. Store is needed.
type Options struct {
	Store wick.TraceStore
	Log   *slog.Logger     // nil discards
	Now   func() time.Time // nil: the system's clock
	// Random returns a number in [0, 1) that decides what is sampled; nil for a real one.
	Random func() float64
	// Rules keeps sampling rules; nil keeps them in memory only.
	Rules wick.SamplingRuleStore
	// Forward is shown every segment on its way to the store, with the instance it is of
	// where that is known. It must not wait; nil for nobody.
	Forward func(src *wick.Source, s *wick.TraceSegment)
}

// Traces records segments and answers for them. What it is told of is rendered and
// stored in the background: nobody who states something waits, and what comes faster
// than it can be kept is dropped, counted and said.
type Traces struct {
	o       Options
	sampler sampler
	inits   inits
	// ruleChanges has changes of rules come one after the other.
	ruleChanges sync.Mutex

	queue       chan rendering
	queuedBytes atomic.Int64
	dropped     atomic.Int64 // since the last that was said
	droppedEver atomic.Int64
	syncs       chan chan error

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
}

// rendering is something that happened, to be made into segments.
type rendering interface {
	segments() []wick.TraceSegment
	bytes() int64
	// source is the instance it happened in, nil for none.
	source() *wick.Source
}

// Open returns Traces that work until Close. It fails when the sampling rules can't be read.
func Open(ctx context.Context, o Options) (*Traces, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &Traces{
		o: o, sampler: sampler{random: o.Random}, queue: make(chan rendering, maxQueued),
		syncs: make(chan chan error), closing: make(chan struct{}), done: make(chan struct{}),
	}
	if o.Rules != nil {
		list, err := o.Rules.SamplingRules(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			t.sampler.put(r)
		}
	}
	go t.run()
	return t, nil
}

// Close stores what has been stated and ends. Statements after that are dropped. It
// can be called twice.
func (t *Traces) Close() error {
	t.closeOnce.Do(func() { close(t.closing) })
	<-t.done
	return nil
}

// Dropped returns how many statements were not kept since the start.
func (t *Traces) Dropped() int64 { return t.droppedEver.Load() }

// add queues what happened, or drops it.
func (t *Traces) add(r rendering) {
	select {
	case <-t.closing:
		t.drop(1)
		return
	default:
	}
	n := r.bytes()
	if t.queuedBytes.Add(n) > maxQueuedBytes {
		t.queuedBytes.Add(-n)
		t.drop(1)
		return
	}
	select {
	case t.queue <- r:
	default:
		t.queuedBytes.Add(-n)
		t.drop(1)
	}
}

func (t *Traces) drop(n int) {
	t.dropped.Add(int64(n))
	t.droppedEver.Add(int64(n))
}

// sync returns when everything stated before is stored.
func (t *Traces) sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case t.syncs <- answer:
	case <-t.done:
		return errors.New("traces are closed")
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

// run is the one goroutine that writes.
func (t *Traces) run() {
	defer close(t.done)
	sweep := time.NewTimer(firstSweep)
	defer sweep.Stop()
	pause := time.NewTimer(batchPause)
	pause.Stop()
	defer pause.Stop()
	for {
		select {
		case r := <-t.queue:
			batch := t.take(nil, r)
			// A moment's wait makes one transaction of what comes together.
			pause.Reset(batchPause)
			var answer chan error
			for waiting := true; waiting && len(batch) < maxBatch; {
				select {
				case r := <-t.queue:
					batch = t.take(batch, r)
				case answer = <-t.syncs:
					waiting = false
				case <-t.closing:
					waiting = false
				case <-pause.C:
					waiting = false
				}
			}
			pause.Stop()
			err := t.write(batch)
			if answer != nil {
				answer <- errors.Join(err, t.drain())
			}
		case answer := <-t.syncs:
			answer <- t.drain()
		case <-sweep.C:
			if t.sweep() {
				sweep.Reset(sweepPause)
			} else {
				sweep.Reset(sweepEvery)
			}
		case <-t.closing:
			_ = t.drain() // write has said what failed
			return
		}
	}
}

func (t *Traces) take(batch []wick.TraceSegment, r rendering) []wick.TraceSegment {
	t.queuedBytes.Add(-r.bytes())
	from := len(batch)
	batch = append(batch, r.segments()...)
	if t.o.Forward != nil {
		for i := from; i < len(batch); i++ {
			one := batch[i]
			t.o.Forward(r.source(), &one)
		}
	}
	return batch
}

// drain stores all that is queued when it is called.
func (t *Traces) drain() error {
	var errs []error
	for left := len(t.queue); left > 0; {
		var batch []wick.TraceSegment
		for ; left > 0 && len(batch) < maxBatch; left-- {
			batch = t.take(batch, <-t.queue) // only this goroutine takes
		}
		errs = append(errs, t.write(batch))
	}
	return errors.Join(errs...)
}

func (t *Traces) write(batch []wick.TraceSegment) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	err := t.o.Store.PutSegments(ctx, batch)
	if err != nil {
		t.droppedEver.Add(int64(len(batch)))
		t.o.Log.Error("segments of traces could not be stored", "segments", len(batch), "error", err)
	}
	if n := t.dropped.Swap(0); n > 0 {
		t.o.Log.Warn("segments of traces were dropped: they came faster than they can be stored", "segments", n)
	}
	return err
}

// sweep deletes some of what is too old, and says whether there is more.
func (t *Traces) sweep() (more bool) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	n, err := t.o.Store.DropTraces(ctx, t.o.Now().Add(-retention), sweepBatch)
	if err != nil {
		t.o.Log.Warn("old traces could not be deleted", "error", err)
	}
	return err == nil && n >= sweepBatch
}

// Record implements wick.Recorder: what an instance states becomes the segment of
// origin AWS::Lambda::Function. For invocations that aren't sampled it looks at the
// event and returns.
func (t *Traces) Record(at time.Time, src *wick.Source, e wick.Event) {
	switch e := e.(type) {
	case wick.RuntimeDone:
		trace, segment, ok := wick.SampledSegment(e.Trace)
		if !ok {
			return
		}
		e.Error = bytes.Clone(readableError(e.Error))
		e.RequestID, e.ErrorType = strings.Clone(e.RequestID), strings.Clone(e.ErrorType)
		t.add(&functionRun{
			src: src, at: at, done: e, trace: strings.Clone(trace), segment: strings.Clone(segment), init: t.inits.of(src),
		})
	case wick.Report:
		t.inits.forget(src)
	case wick.InitDone:
		t.inits.set(src, initialization{began: at.Add(-e.Duration), ended: at, failed: e.Status != wick.StatusSuccess})
	case wick.StateChanged:
		if e.To == wick.InstanceStopped {
			t.inits.forget(src)
		}
	}
}

// Invoked records how the service saw an event: the segment of origin AWS::Lambda.
func (t *Traces) Invoked(e *wick.Invoked) {
	if trace, segment, ok := wick.SampledSegment(e.Trace); ok {
		e.Error = readableError(e.Error)
		t.add(&serviceRun{Invoked: e, trace: trace, segment: segment})
	}
}

// readableError returns an error object, none when it is too long to be read: it would
// wait for nothing, in the place of others.
func readableError(object []byte) []byte {
	if len(object) > maxErrorObject {
		return nil
	}
	return object
}

// inits are the inits of instances whose first invocation isn't over.
type inits struct {
	n  atomic.Int64
	by sync.Map // *wick.Source → initialization
}

type initialization struct {
	began, ended time.Time
	failed       bool
}

func (i *inits) set(src *wick.Source, v initialization) {
	if _, had := i.by.Swap(src, v); !had {
		i.n.Add(1)
	}
}

func (i *inits) of(src *wick.Source) *initialization {
	if v, ok := i.by.Load(src); ok {
		in, _ := v.(initialization) // nothing else is in there
		return &in
	}
	return nil
}

func (i *inits) forget(src *wick.Source) {
	if i.n.Load() == 0 {
		return
	}
	if _, had := i.by.LoadAndDelete(src); had {
		i.n.Add(-1)
	}
}
