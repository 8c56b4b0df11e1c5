package invoke

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
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

// Invoker walks events along the path.
type Invoker struct {
	functions   Functions
	fleet       Fleet
	concurrency int64
	accounts    sync.Map // account/region → *atomic.Int64: events being worked on
}

// New returns an Invoker; concurrency is each account's limit, 0 for DefaultConcurrency.
func New(functions Functions, fleet Fleet, concurrency int) *Invoker {
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	return &Invoker{functions: functions, fleet: fleet, concurrency: int64(concurrency)}
}

// Invoke walks one event: resolve, admit, place and deliver, answer. Its errors are
// *wick.Error: NotFound, Conflict, TooManyRequests over the account's concurrency or
// on a full machine, Unavailable while shutting down, Internal. ctx ends only the
// waiting: what a function has begun it ends, whoever listens.
func (v *Invoker) Invoke(ctx context.Context, r *Request) (*Result, error) {
	f, err := v.functions.Resolve(ctx, r.Function, r.Qualifier)
	if err != nil {
		return nil, err
	}
	leave, err := v.admit(f)
	if err != nil {
		return nil, err
	}
	defer leave()
	payload, err := whole(r.Payload)
	if err != nil {
		return nil, &wick.Error{Kind: wick.InvalidRequest, Message: "The request body could not be read.", Cause: err}
	}
	trace := traceFor(r.Trace)
	a, err := v.fleet.Invoke(ctx, f, &instance.Invocation{
		RequestID: r.RequestID, InvokedARN: r.InvokedARN, Trace: trace,
		ClientContext: r.ClientContext, Payload: payload, Tail: r.Tail,
	})
	if err != nil {
		return nil, asError(err)
	}
	result := &Result{
		ExecutedVersion: f.Version, Payload: io.NopCloser(bytes.NewReader(a.Payload)),
		Size: int64(len(a.Payload)), LogTail: a.LogTail, Trace: trace,
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

// traceFor returns the trace header the function gets: the invoker's, or one of a new
// trace that isn't sampled. Source: X-Ray developer guide, tracing header.
func traceFor(given string) string {
	if strings.Contains(given, "Root=") {
		if !strings.Contains(given, "Sampled=") {
			given += ";Sampled=0"
		}
		return given
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil { // it never fails on the systems we run on
		panic(err)
	}
	var text [48]byte
	hex.Encode(text[:], b[:])
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0;Lineage=1:%s:0",
		time.Now().Unix(), text[:24], text[24:40], text[40:])
}
