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
	accounts    sync.Map // account/region → *atomic.Int64: events being worked on
	tracer      Tracer   // nil: nothing is traced
	counter     Counter  // nil: nothing is counted
}

// New returns an Invoker; concurrency is each account's limit, 0 for DefaultConcurrency.
func New(functions Functions, fleet Fleet, concurrency int) *Invoker {
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	return &Invoker{functions: functions, fleet: fleet, concurrency: int64(concurrency)}
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
	f, err := v.functions.Resolve(ctx, r.Function, r.Qualifier)
	if err != nil {
		return nil, err
	}
	t := v.traceOf(f, r.Trace)
	leave, err := v.admit(f)
	if err != nil {
		return nil, t.refused(r, f, v.counted(f, err))
	}
	defer leave()
	payload, err := whole(r.Payload)
	if err != nil {
		return nil, &wick.Error{Kind: wick.InvalidRequest, Message: "The request body could not be read.", Cause: err}
	}
	a, err := v.fleet.Invoke(ctx, f, &instance.Invocation{
		RequestID: r.RequestID, InvokedARN: r.InvokedARN, Trace: t.header,
		ClientContext: r.ClientContext, Payload: payload, Tail: r.Tail,
	})
	if err != nil {
		return nil, t.refused(r, f, v.counted(f, asError(err)))
	}
	t.answered(r, f, a)
	result := &Result{
		ExecutedVersion: f.Version, Payload: io.NopCloser(bytes.NewReader(a.Payload)),
		Size: int64(len(a.Payload)), LogTail: a.LogTail, Trace: t.header,
	}
	if a.Failed {
		result.FunctionError = "Unhandled"
	}
	return result, nil
}

// admit counts an event against its account's concurrency, which is refused at once
// when used up. Source: Lambda developer guide, concurrency.
func (v *Invoker) admit(f *wick.Function) (leave func(), err error) {
	key := f.Account + "/" + f.Region
	n, ok := v.accounts.Load(key)
	if !ok {
		n, _ = v.accounts.LoadOrStore(key, new(atomic.Int64))
	}
	running := n.(*atomic.Int64)
	if running.Add(1) > v.concurrency {
		running.Add(-1)
		return nil, &wick.Error{
			Kind: wick.TooManyRequests, Message: "Rate Exceeded.",
			Reason: "ConcurrentInvocationLimitExceeded", RetryAfterSeconds: 1,
		}
	}
	return func() { running.Add(-1) }, nil
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
