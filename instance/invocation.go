package instance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance/runtimeapi"
)

// Invocation is one event for a function.
type Invocation struct {
	RequestID     string
	InvokedARN    string
	Trace         string
	ClientContext string // JSON, or ""
	Payload       []byte
	Tail          bool // the answer shall carry the last 4 KB of the log
}

// Answer is what came of it. A function that failed has answered too.
type Answer struct {
	Payload []byte // the response, or the error object
	Failed  bool
	LogTail []byte
}

// call is an event being worked on. Its fields are guarded by Instance.mu, but for
// those that are set before it is there for others to see.
type call struct {
	inv     *Invocation
	first   bool
	began   time.Time
	timeout time.Duration
	timer   *time.Timer

	begun       bool   // its beginning has been stated
	early       *fault // what ended its runtime before that
	undelivered bool   // no poll was there to take it; the next one does
	responded   bool
	ending      bool // someone has taken on to end it
	status      wick.Status
	errorType   string
	produced    int64
	failure     []byte // the error object it answered with
	respondedAt time.Time
	held        *Answer // what it responded, until its next poll is there

	replied atomic.Bool
	then    func(*Answer) // gets what reply is given; nil: answer does
	answer  chan *Answer  // gets one value, nil if the instance was stopped
	done    chan struct{}
	tail    []byte // set before done is closed
}

// reply passes on the call's answer, the first time it is called; nil: the instance was
// stopped.
func (c *call) reply(a *Answer) {
	switch {
	case c.replied.Swap(true):
	case c.then != nil:
		c.then(a)
	default:
		c.answer <- a
	}
}

// abandon ends the call of an instance that was stopped; whoever took it off
// Instance.call may, once.
func (c *call) abandon() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.reply(c.held) // nil unless it had responded a moment ago
	close(c.done)
}

// ErrNotDelivered means that the function hasn't seen the event: another instance can
// be given it. This one is of no more use.
var ErrNotDelivered = errors.New("the instance could not take the event")

// Invoke hands an event to the runtime and returns its answer as soon as that is
// there; the instance goes on being busy until the runtime asks for more, and says
// so by Boot's released: before the answer where the runtime asks for more together
// with it. The instance must be idle, frozen or reset: else, or when it
// can't be resumed, ErrNotDelivered. Unavailable if it is stopped meanwhile.
func (i *Instance) Invoke(inv *Invocation) (*Answer, error) {
	c := &call{inv: inv, answer: make(chan *Answer, 1), done: make(chan struct{})}
	if err := i.begin(c); err != nil {
		return nil, err
	}
	return i.result(c)
}

// Start is Invoke for a caller that doesn't wait: it returns when the runtime has the
// event, or is about to take it, and done is called once with what Invoke would
// return, perhaps before. It is called by the goroutine that has the runtime's answer,
// so that nobody is woken for it, and must not wait for anything. After an error it
// isn't called. The event's tail isn't kept.
func (i *Instance) Start(inv *Invocation, done func(*Answer, error)) error {
	c := &call{inv: inv, done: make(chan struct{}), then: func(a *Answer) {
		if a == nil {
			done(nil, errShuttingDown())
			return
		}
		done(a, nil)
	}}
	err := i.begin(c)
	if err != nil && c.replied.Swap(true) { // it was stopped meanwhile, and done knows
		return nil
	}
	return err
}

func errShuttingDown() error { return wick.Errorf(wick.Unavailable, "The service is shutting down.") }

// begin hands a call's event to the runtime.
func (i *Instance) begin(c *call) error {
	inv := c.inv
	i.mu.Lock()
	from := i.state
	if err := i.moveLocked(wick.InstanceBusy); err != nil {
		i.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrNotDelivered, err)
	}
	c.first = i.invocations == 0
	c.timeout = i.function.Timeout()
	i.invocations++
	i.call = c
	i.mu.Unlock()

	i.freeze.Stop()
	if from != wick.InstanceIdle { // one whose runtime exited may have been frozen in the same moment
		if err := i.thaw(); err != nil {
			return i.refuse(c, err)
		}
	}
	c.began = time.Now()
	changed := wick.StateChanged{From: from, To: wick.InstanceBusy}
	start := wick.InvokeStart{RequestID: inv.RequestID, Version: i.function.Version, Trace: inv.Trace}
	var failed *fault
	if from == wick.InstanceReset {
		i.journal.begin(c.began, inv.RequestID, inv.Tail, changed)
		var err error
		if failed, err = i.initialiseAgain(c.timeout); err != nil {
			return i.refuse(c, err)
		}
		i.journal.state(time.Now(), start)
	} else {
		i.journal.begin(c.began, inv.RequestID, inv.Tail, changed, start)
	}
	i.mu.Lock()
	c.begun = true
	if failed == nil {
		failed = c.early
	}
	switch {
	case failed != nil:
		c.ending = true
	case i.call == c: // else it was stopped, and is abandoned
		c.timer = time.AfterFunc(c.timeout-time.Since(c.began), func() { i.timedOut(c) })
	}
	i.mu.Unlock()
	if failed != nil {
		i.finish(c, failed)
	} else {
		i.deliver(c)
	}
	return nil
}

// refuse takes back a call that the runtime hasn't seen and won't.
func (i *Instance) refuse(c *call, err error) error {
	i.mu.Lock()
	if i.call == c {
		i.call = nil
	}
	i.mu.Unlock()
	return fmt.Errorf("%w: %w", ErrNotDelivered, err)
}

// deliver answers a parked poll with the event; without one, the next poll takes it.
func (i *Instance) deliver(c *call) {
	event := runtimeapi.Event{
		RequestID: c.inv.RequestID, DeadlineMs: c.began.Add(c.timeout).UnixMilli(),
		InvokedARN: c.inv.InvokedARN, Trace: c.inv.Trace, ClientContext: c.inv.ClientContext,
		Payload: c.inv.Payload,
	}
	for {
		i.mu.Lock()
		if c.ending || i.call != c {
			i.mu.Unlock()
			return
		}
		if len(i.waiters) == 0 {
			c.undelivered = true
			i.mu.Unlock()
			return
		}
		conn := i.waiters[0]
		i.waiters = i.waiters[1:]
		c.undelivered = false
		i.mu.Unlock()
		if conn.SendEvent(&event) == nil {
			return
		} // that poll's client has gone; perhaps another is waiting
	}
}

// result waits for a call's answer.
func (i *Instance) result(c *call) (*Answer, error) {
	if c.inv.Tail { // the tail is there only when all is over
		<-c.done
	}
	a := <-c.answer
	if a == nil {
		return nil, errShuttingDown()
	}
	if c.inv.Tail {
		a.LogTail = c.tail
	}
	return a, nil
}

// Respond implements runtimeapi.Runtime.
func (i runtimeCalls) Respond(requestID string, r runtimeapi.Response) *runtimeapi.Refusal {
	a := &Answer{Payload: r.Body}
	status, errorType := wick.StatusSuccess, ""
	switch {
	case r.TooLarge:
		a.Payload, a.Failed = tooLargeObject(), true
		status, errorType = wick.StatusError, errTypeResponseSize
	case r.ErrorType != "":
		if a.Payload, a.Failed = r.ErrorBody, true; len(a.Payload) == 0 {
			a.Payload = errorObject(r.ErrorType, "")
		}
		status, errorType = wick.StatusError, reportedErrorType(r.ErrorType)
	}
	return i.answer(requestID, "InvocationResponse", a, r.Polling, status, errorType, int64(len(r.Body)))
}

// Fail implements runtimeapi.Runtime.
func (i runtimeCalls) Fail(requestID string, f runtimeapi.Failure) *runtimeapi.Refusal {
	a := &Answer{Payload: f.Body, Failed: true}
	if f.TooLarge {
		a.Payload = tooLargeObject()
	} else if len(f.Body) == 0 {
		a.Payload = errorObject(f.Type, "")
	}
	return i.answer(requestID, "InvocationErrorResponse", a, f.Polling, wick.StatusError, reportedErrorType(f.Type), int64(len(f.Body)))
}

// answer takes what the runtime responded. When its next poll is on the way already,
// the invoker gets the answer with it: an instance that is idle when its client has the
// answer serves the client's next event, and no second one is started for that.
func (i *Instance) answer(requestID, to string, a *Answer, polling bool, status wick.Status, errorType string, produced int64) *runtimeapi.Refusal {
	now := time.Now()
	i.mu.Lock()
	c := i.call
	if c == nil || c.inv.RequestID != requestID {
		i.mu.Unlock()
		return runtimeapi.InvalidRequestID
	}
	if c.responded || c.ending {
		i.mu.Unlock()
		return runtimeapi.InvalidTransition(runtimeapi.StateResponseSent, to)
	}
	c.responded, c.respondedAt = true, now
	c.status, c.errorType, c.produced = status, errorType, produced
	if a.Failed {
		c.failure = a.Payload
	}
	if polling {
		c.held = a
	}
	i.mu.Unlock()
	if !polling {
		c.reply(a)
	}
	return nil
}

// complete ends a call whose runtime has asked for the next event.
func (i *Instance) complete(c *call) { i.finish(c, nil) }

// timedOut ends a call that has used up its time.
func (i *Instance) timedOut(c *call) { i.end(c, timeoutFault(c.timeout)) }

// end ends a call by force: the runtime is gone, or has to go.
func (i *Instance) end(c *call, f *fault) {
	i.mu.Lock()
	if c.ending || i.call != c {
		i.mu.Unlock()
		return
	}
	if !c.begun { // whoever states its beginning goes on to its end
		c.early = f
		i.mu.Unlock()
		return
	}
	c.ending = true
	i.wg.Add(1) // i.call says that Stop hasn't come to waiting
	defer i.wg.Done()
	i.mu.Unlock()
	i.kill()
	i.finish(c, f)
}

// finish states what came of a call and makes the instance free for the next; failed
// is nil when the runtime brought it to its end by itself. The caller has set
// c.ending, so there is one.
func (i *Instance) finish(c *call, failed *fault) {
	i.mu.Lock()
	timer := c.timer
	i.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	now := time.Now()
	next := wick.InstanceIdle
	if failed != nil {
		next = wick.InstanceReset
	}
	c.tail = i.journal.finish(now, append(i.outcome(c, now, failed), wick.StateChanged{From: wick.InstanceBusy, To: next})...)
	i.mu.Lock()
	if i.call != c { // the instance is being stopped, and abandons it
		i.mu.Unlock()
		return
	}
	i.call = nil
	err := i.moveLocked(next)
	i.mu.Unlock()
	if err == nil { // else it is stopping
		if next == wick.InstanceIdle {
			i.freeze.Reset(freezeAfter)
		}
		i.released(i)
	}
	switch {
	case failed != nil && !c.responded:
		c.reply(&Answer{Payload: failed.object(c.inv.RequestID), Failed: true})
	case c.held != nil:
		c.reply(c.held)
	}
	close(c.done)
}

// outcome measures a call that is over, and returns what is to be stated about it.
func (i *Instance) outcome(c *call, now time.Time, failed *fault) []wick.Event {
	report := i.reportOf(c, now)
	if failed != nil {
		report.Status, report.ErrorType = failed.status, failed.errorType
		if failed.status == wick.StatusTimeout {
			report.Duration = min(report.Duration, c.timeout)
			report.ErrorType = ""
		}
	}
	report.Billed = billed(report.Init + report.Duration)
	done := wick.RuntimeDone{
		RequestID: c.inv.RequestID, Trace: c.inv.Trace, Status: report.Status, ErrorType: report.ErrorType,
		Duration: report.Duration, ProducedBytes: c.produced,
	}
	if report.SegmentID != "" {
		if done.Error = c.failure; failed != nil {
			done.Error = failed.object(c.inv.RequestID)
		}
	}
	if failed == nil {
		done.ErrorType = c.errorType // a report names only what the platform had to end
	}
	if c.responded {
		done.Latency = c.respondedAt.Sub(c.began)
		done.Overhead = now.Sub(c.respondedAt)
	}
	events := make([]wick.Event, 0, 4)
	if failed != nil {
		if text := failed.logText(now, c.inv.RequestID); text != "" {
			events = append(events, wick.Fault{RequestID: c.inv.RequestID, Text: text})
		}
	}
	return append(events, done, report)
}

// reportOf measures a call that is over.
func (i *Instance) reportOf(c *call, now time.Time) wick.Report {
	r := wick.Report{
		RequestID: c.inv.RequestID, Status: c.status,
		Duration: now.Sub(c.began), MemoryMB: i.function.MemoryMB, Trace: c.inv.Trace,
	}
	if peak, err := i.box.PeakMemory(); err == nil {
		r.MaxMemoryMB = min(int(peak>>20)+1, r.MemoryMB)
	} else if i.State() != wick.InstanceStopping {
		i.host.Log.Warn("the memory of an instance can't be read", "instance", i.id, "error", err)
	}
	if c.first {
		r.Init = i.initTook
	}
	_, r.SegmentID, _ = wick.SampledSegment(c.inv.Trace) // "" when it isn't
	return r
}

// billed rounds a duration up to whole milliseconds. Source: Lambda pricing, REPORT lines.
func billed(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
