package wick

import "time"

// Event is one fact an instance states about itself: the single source that log
// lines, traces, metrics, the Telemetry API and live views are rendered from.
// The concrete types below are all there are.
type Event interface{ event() }

// Phase says when a runtime's init ran.
type Phase string

// Phases. Source: Telemetry API, platform.initStart.
const (
	PhaseInit   Phase = "init"   // before the first invocation
	PhaseInvoke Phase = "invoke" // again, inside an invocation, after a failed init or a reset
)

// Status is how a phase ended.
type Status string

// Statuses. Source: Telemetry API, platform.runtimeDone.
const (
	StatusSuccess Status = "success"
	StatusFailure Status = "failure" // the runtime crashed or exited
	StatusError   Status = "error"   // the function reported an error
	StatusTimeout Status = "timeout"
)

// InitStart: the runtime of an instance begins to initialise.
type InitStart struct {
	Phase              Phase
	InitializationType string // on-demand, …
	RuntimeVersion     string // e.g. "python:3.12.v1": what really runs it, see runtimes
	RuntimeVersionARN  string
}

// InitDone: the runtime asked for its first event, or failed to.
type InitDone struct {
	Phase     Phase
	Status    Status
	ErrorType string // Runtime.ExitError, …; "" on success
	Duration  time.Duration
}

// InvokeStart: an event was handed to the runtime.
type InvokeStart struct {
	RequestID string
	Version   string
	Trace     string // X-Amzn-Trace-Id as the runtime gets it
}

// RuntimeDone: the runtime finished with an event, one way or another.
type RuntimeDone struct {
	RequestID     string
	Trace         string // X-Amzn-Trace-Id as the runtime got it
	Status        Status
	ErrorType     string
	Duration      time.Duration
	ProducedBytes int64
	// Latency is from delivery to the response's first byte, Transfer from there to
	// its last, Overhead from there to the runtime's next poll.
	Latency, Transfer, Overhead time.Duration
	// Error is the error object of an event that failed; set where its trace is recorded.
	Error []byte
}

// Report: an invocation is over, extensions included.
type Report struct {
	RequestID string
	Status    Status
	ErrorType string // set when Status is failure
	Duration  time.Duration
	// Billed is rounded up to whole milliseconds and includes a cold invocation's init.
	Billed      time.Duration
	MemoryMB    int
	MaxMemoryMB int
	Init        time.Duration // 0 unless this was the instance's first invocation
	Trace       string
	SegmentID   string // "" unless sampled
}

// LogLine: the function (or an extension) printed a record. Text has no
// terminating newline; it may hold newlines when the runtime framed it.
type LogLine struct {
	RequestID string // "" outside an invocation
	Extension bool
	Text      string
}

// Fault: the platform ended an invocation or init (time-out, exit, memory) and
// writes Text about it into the log, as it is.
type Fault struct {
	RequestID string
	Text      string
}

// LogsDropped: lines were printed and not kept.
type LogsDropped struct {
	Records, Bytes int64
	Reason         string
}

// StateChanged: an instance moved in its life cycle; seen by wick ps and the
// metrics, never by the log.
type StateChanged struct{ From, To InstanceState }

func (InitStart) event()    {}
func (InitDone) event()     {}
func (InvokeStart) event()  {}
func (RuntimeDone) event()  {}
func (Report) event()       {}
func (LogLine) event()      {}
func (Fault) event()        {}
func (LogsDropped) event()  {}
func (StateChanged) event() {}

// Source says which instance an event is from. One value per assigned instance,
// shared by all its events and never changed.
type Source struct {
	InstanceID string // 32 hex digits
	Function   *Function
	LogGroup   string
	LogStream  string // YYYY/MM/DD/[VERSION]32HEX
}

// Recorder takes the events of every instance. Record must not block and must not
// keep e's strings beyond what it copies; events of one instance arrive in order.
type Recorder interface {
	Record(at time.Time, src *Source, e Event)
}

// Recorders passes each event to several recorders, in order.
type Recorders []Recorder

// Record implements Recorder.
func (rs Recorders) Record(at time.Time, src *Source, e Event) {
	for _, r := range rs {
		r.Record(at, src, e)
	}
}
