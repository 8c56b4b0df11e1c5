package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// meter counts what the instances of one function version state. Everything is added up
// here, under a lock no other function takes; what CloudWatch shows by other dimensions
// is put together when it is stored.
type meter struct {
	version
	function *level // events being worked on, of all versions
	account  *level // and of all functions
	busy     level

	sources atomic.Int64 // instances that there are

	mu      sync.Mutex // guards all below
	windows map[int64]*window
	total   window // all that was ever stored, of no minute
	gone    bool   // it isn't among the meters any more
}

// version names a function version.
type version struct {
	wick.FunctionID
	name string // $LATEST or a number
}

// level is how many events are being worked on at the moment.
type level struct {
	atomic.Int64
	meters int // that count with it; guarded by meters.mu
}

// window is what was counted in one minute.
type window struct {
	invocations, failed, throttled float64
	waited                         float64 // events that had to wait for an instance

	duration wick.Distribution // ms
	memory   wick.Distribution // MB, the most an invocation used
	init     wick.Distribution // ms, of cold starts
	wait     wick.Distribution // ms, of events that had to

	// Events being worked on, as each one that began saw it.
	concurrent, functionConcurrent, accountConcurrent samples

	droppedRecords, droppedBytes float64 // of the log
}

// maxWindows bounds the minutes one meter counts at a time: invocations take 15.
const maxWindows = 20

// at returns the window of a time; mu is held.
func (m *meter) at(t time.Time) *window {
	minute := t.Unix() / 60
	if w := m.windows[minute]; w != nil {
		return w
	}
	if len(m.windows) >= maxWindows { // a clock that was set, perhaps
		for _, w := range m.windows {
			return w
		}
	}
	if m.windows == nil {
		m.windows = make(map[int64]*window, 2)
	}
	w := &window{}
	m.windows[minute] = w
	return w
}

// begin counts an event that an instance has begun to work on.
func (m *meter) begin(at time.Time) {
	v, f, a := m.busy.Add(1), m.function.Add(1), m.account.Add(1)
	m.mu.Lock()
	w := m.at(at)
	w.concurrent.add(v)
	w.functionConcurrent.add(f)
	w.accountConcurrent.add(a)
	m.mu.Unlock()
}

// end takes back what begin counted.
func (m *meter) end() {
	m.busy.Add(-1)
	m.function.Add(-1)
	m.account.Add(-1)
}

// report counts an invocation, in the minute in which it began, as AWS does.
// Source: Lambda developer guide, viewing function metrics: timestamps.
func (m *meter) report(at time.Time, r *wick.Report) {
	ms := milliseconds(r.Duration)
	m.mu.Lock()
	w := m.at(at.Add(-r.Duration))
	w.invocations++
	if r.Status != wick.StatusSuccess {
		w.failed++
	}
	w.duration.Add(ms, 1)
	if r.MaxMemoryMB > 0 {
		w.memory.Add(float64(r.MaxMemoryMB), 1)
	}
	m.mu.Unlock()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// count runs f on the window of a time.
func (m *meter) count(at time.Time, f func(*window)) {
	m.mu.Lock()
	f(m.at(at))
	m.mu.Unlock()
}

// add adds another window.
func (w *window) add(o *window) {
	w.invocations += o.invocations
	w.failed += o.failed
	w.throttled += o.throttled
	w.waited += o.waited
	w.duration.Merge(&o.duration)
	w.memory.Merge(&o.memory)
	w.init.Merge(&o.init)
	w.wait.Merge(&o.wait)
	w.concurrent.merge(&o.concurrent)
	w.functionConcurrent.merge(&o.functionConcurrent)
	w.accountConcurrent.merge(&o.accountConcurrent)
	w.droppedRecords += o.droppedRecords
	w.droppedBytes += o.droppedBytes
}

// samples counts small whole numbers.
type samples struct {
	few  [16]float64
	more map[int64]float64
}

func (s *samples) add(n int64) {
	if 0 <= n && n < int64(len(s.few)) {
		s.few[n]++
		return
	}
	if s.more == nil {
		s.more = make(map[int64]float64)
	}
	s.more[n]++
}

func (s *samples) merge(o *samples) {
	for n, times := range o.few {
		s.few[n] += times
	}
	for n, times := range o.more {
		if s.more == nil {
			s.more = make(map[int64]float64, len(o.more))
		}
		s.more[n] += times
	}
}

// distribution returns the samples as one.
func (s *samples) distribution() wick.Distribution {
	var d wick.Distribution
	for n, times := range s.few {
		d.Add(float64(n), times)
	}
	for n, times := range s.more {
		d.Add(float64(n), times)
	}
	return d
}
