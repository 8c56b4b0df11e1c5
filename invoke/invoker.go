package invoke

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

// DefaultConcurrency is how many events of an account are worked on at once in a
// region. Source: Lambda quotas, concurrent executions.
const DefaultConcurrency = 1000

// Functions finds the version an event is for.
type Functions interface {
	// Resolve returns a function's version; a qualifier of "" is $LATEST. NotFound if
	// there is none, Conflict while it can't be invoked.
	Resolve(ctx context.Context, id wick.FunctionID, qualifier string) (*wick.Function, error)
}

// Fleet has an instance work on an event.
type Fleet interface {
	Invoke(ctx context.Context, f *wick.Function, inv *instance.Invocation) (*instance.Answer, error)
	// Start is Invoke for who doesn't wait: done is called once, perhaps before it
	// returns, and must not wait for anything.
	Start(ctx context.Context, f *wick.Function, inv *instance.Invocation, done func(*instance.Answer, error))
}

// Tracer decides which events' traces are recorded, and records them.
type Tracer interface {
	// Sample decides about an event of a function whose tracing is Active and whose
	// invoker left it open.
	Sample(f *wick.Function, at time.Time) bool
	// Invoked takes how the service saw an event whose trace is recorded.
	Invoked(e *wick.Invoked)
}

// Counter counts what becomes of events that no instance sees.
type Counter interface {
	// Throttled takes an event for whose function the account's concurrency or the
	// machine's memory was used up.
	Throttled(f *wick.Function)
}

// Invoker walks events along the path.
type Invoker struct {
	functions   Functions
	fleet       Fleet
	concurrency int64
	tracer      Tracer  // nil: nothing is traced
	counter     Counter // nil: nothing is counted

	mu       sync.RWMutex              // guards accounts
	accounts map[account]*atomic.Int64 // events being worked on
}

// account is what a limit of concurrency is for.
type account struct{ id, region string }

// New returns an Invoker; concurrency is each account's limit, 0 for DefaultConcurrency.
func New(functions Functions, fleet Fleet, concurrency int) *Invoker {
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	return &Invoker{functions: functions, fleet: fleet, concurrency: int64(concurrency), accounts: make(map[account]*atomic.Int64)}
}

// Trace has t decide about and record traces. Call it before the first Invoke.
func (v *Invoker) Trace(t Tracer) { v.tracer = t }

// Count has c count events. Call it before the first Invoke.
func (v *Invoker) Count(c Counter) { v.counter = c }

// Invoke walks one event: resolve, admit, place and deliver, answer. Its errors are
// *wick.Error: NotFound, Conflict, TooManyRequests over the account's concurrency or
// on a full machine, Unavailable while shutting down, Internal. ctx ends only the
// waiting: what a function has begun it ends, whoever listens.
func (v *Invoker) Invoke(ctx context.Context, r *Request) (*Result, error) {
	w, err := v.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	return w.end(v.fleet.Invoke(ctx, w.f, w.inv))
}

// Start is Invoke for a caller that doesn't wait: done is called once with what Invoke
// would return, perhaps before Start returns. It must not wait for anything.
func (v *Invoker) Start(ctx context.Context, r *Request, done func(*Result, error)) {
	w, err := v.begin(ctx, r)
	if err != nil {
		done(nil, err)
		return
	}
	v.fleet.Start(ctx, w.f, w.inv, func(a *instance.Answer, err error) { done(w.end(a, err)) })
}

// walk is an event that has been admitted.
type walk struct {
	v       *Invoker
	r       *Request
	f       *wick.Function
	inv     *instance.Invocation
	trace   traced
	running *atomic.Int64
}

// begin resolves and admits an event; end has to follow.
func (v *Invoker) begin(ctx context.Context, r *Request) (*walk, error) {
	f, err := v.functions.Resolve(ctx, r.Function, r.Qualifier)
	if err != nil {
		return nil, err
	}
	w := &walk{v: v, r: r, f: f, trace: v.traceOf(f, r.Trace)}
	if w.running, err = v.admit(f); err != nil {
		return nil, w.trace.refused(r, f, v.counted(f, err))
	}
	payload, err := whole(r.Payload)
	if err != nil {
		w.running.Add(-1)
		return nil, &wick.Error{Kind: wick.InvalidRequest, Message: "The request body could not be read.", Cause: err}
	}
	w.inv = &instance.Invocation{
		RequestID: r.RequestID, InvokedARN: r.InvokedARN, Trace: w.trace.header,
		ClientContext: r.ClientContext, Payload: payload, Tail: r.Tail,
	}
	return w, nil
}

// end makes a result of what came of an event.
func (w *walk) end(a *instance.Answer, err error) (*Result, error) {
	w.running.Add(-1)
	if err != nil {
		return nil, w.trace.refused(w.r, w.f, w.v.counted(w.f, asError(err)))
	}
	w.trace.answered(w.r, w.f, a)
	result := &Result{
		ExecutedVersion: w.f.Version, Payload: io.NopCloser(bytes.NewReader(a.Payload)),
		Size: int64(len(a.Payload)), LogTail: a.LogTail, Trace: w.trace.header,
	}
	if a.Failed {
		result.FunctionError = "Unhandled"
	}
	return result, nil
}

// admit counts an event against its account's concurrency, which is refused at once
// when used up. Source: Lambda developer guide, concurrency.
func (v *Invoker) admit(f *wick.Function) (running *atomic.Int64, err error) {
	running = v.runningOf(account{f.Account, f.Region})
	if running.Add(1) > v.concurrency {
		running.Add(-1)
		return nil, &wick.Error{
			Kind: wick.TooManyRequests, Message: "Rate Exceeded.",
			Reason: "ConcurrentInvocationLimitExceeded", RetryAfterSeconds: 1,
		}
	}
	return running, nil
}

// runningOf returns the counter of an account's events in a region.
func (v *Invoker) runningOf(a account) *atomic.Int64 {
	v.mu.RLock()
	n := v.accounts[a]
	v.mu.RUnlock()
	if n != nil {
		return n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n = v.accounts[a]; n == nil {
		n = new(atomic.Int64)
		v.accounts[a] = n
	}
	return n
}

// counted counts an event that was refused because of the load, and returns the error.
func (v *Invoker) counted(f *wick.Function, err error) error {
	if v.counter != nil && wick.KindOf(err) == wick.TooManyRequests {
		v.counter.Throttled(f)
	}
	return err
}

// whole returns a payload's bytes, without a copy where it has them.
func whole(r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if b, ok := r.(interface{ Bytes() []byte }); ok {
		return b.Bytes(), nil
	}
	return io.ReadAll(r)
}

// asError makes any failure on the way one with words for the caller.
func asError(err error) error {
	var e *wick.Error
	if errors.As(err, &e) {
		return err
	}
	return &wick.Error{Kind: wick.Internal, Message: "The function could not be run.", Cause: err}
}
