package instance

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/quickio"
)

// tailBytes is how much of an invocation's log LogType=Tail returns.
// Source: Lambda API, Invoke, LogType.
const tailBytes = 4 << 10

// maxEarlyBytes bounds what is kept of a bootstrap's output while its instance has
// no function to attribute it to.
const maxEarlyBytes = 16 << 10

// grownPipe is how much a log pipe holds at most: what a function prints in some
// milliseconds at its fastest, so that it isn't held up when its reader has to wait for a
// core.
const grownPipe = 1 << 20

// maxKeptBuffer is the largest buffer that is kept for the instance's whole life.
const maxKeptBuffer = 64 << 10

// journal states an instance's events in order: what its processes print, read from
// one pipe, and what the platform has to say. Whoever states a platform event first
// takes in all that was printed before it, so a line printed during an invocation is
// between its START and its END whoever of the two goroutines is quicker.
type journal struct {
	rec wick.Recorder
	now func() time.Time
	// born is when the instance was made: nothing was printed before.
	born time.Time

	r   *os.File // the pipe's end we read
	w   *os.File // the end the processes get; kept open, so a restart writes to the same pipe
	fd  uintptr  // of r, in non-blocking mode
	end chan struct{}

	mu     sync.Mutex // guards everything below, and orders the events
	closed bool
	split  splitter
	src    *wick.Source // nil until a function is assigned
	early  []wick.LogLine
	nearly int // bytes in early, line ends included
	reqID  string
	tail   *tail
	buf    []byte // for the tail's text
	ends   []int
}

func newJournal(rec wick.Recorder, now func() time.Time) (*journal, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	growPipe(w)
	j := &journal{rec: rec, now: now, born: now(), r: r, w: w, end: make(chan struct{})}
	rc, err := r.SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) { j.fd = fd })
	}
	if err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	go func() {
		defer close(j.end)
		// The callback is called whenever the pipe has something; an error means that
		// the pipe was closed. It goes on until the pipe is empty, since only what comes
		// after that is sure to call it again, but lets others in between.
		_ = rc.Read(func(uintptr) bool {
			for {
				j.mu.Lock()
				more := j.read()
				closed := j.closed
				j.mu.Unlock()
				if closed || !more {
					return closed
				}
			}
		})
	}()
	return j, nil
}

// assign names the source of all events from now on; what a bootstrap printed before
// becomes the function's.
func (j *journal) assign(src *wick.Source) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drain()
	j.src = src
	early := j.early
	j.early, j.nearly = nil, 0
	for _, l := range early {
		j.record(j.now(), l)
	}
}

// source returns the assigned source, or nil.
func (j *journal) source() *wick.Source {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.src
}

// begin attributes lines from here on to an invocation, keeps its tail if asked to,
// and states its first events.
func (j *journal) begin(at time.Time, requestID string, withTail bool, events ...wick.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drain()
	j.flush()
	j.reqID = requestID
	if withTail {
		j.tail = &tail{}
	}
	for _, e := range events {
		j.record(at, e)
	}
}

// finish states the last events of an invocation and returns its tail, if one was kept.
func (j *journal) finish(at time.Time, events ...wick.Event) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stateLocked(at, events)
	j.reqID = ""
	t := j.tail
	j.tail = nil
	if t == nil {
		return nil
	}
	return t.bytes()
}

// state records a platform event behind all that was printed before it.
func (j *journal) state(at time.Time, events ...wick.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stateLocked(at, events)
}

// stateLocked is state for those who hold j.mu.
func (j *journal) stateLocked(at time.Time, events []wick.Event) {
	j.drain()
	j.flush()
	for _, e := range events {
		j.record(at, e)
	}
}

// record passes an event on, unless the instance is gone; j.mu is held.
func (j *journal) record(at time.Time, e wick.Event) {
	if j.closed {
		return
	}
	if j.src == nil {
		if l, ok := e.(wick.LogLine); ok && j.nearly+len(l.Text) < maxEarlyBytes {
			j.early = append(j.early, l)
			j.nearly += len(l.Text) + 1
		}
		return
	}
	j.rec.Record(at, j.src, e)
	if j.tail != nil {
		j.buf, j.ends = wick.AppendLog(j.buf[:0], j.ends[:0], at, j.src, e)
		j.tail.write(j.buf)
		if cap(j.buf) > maxKeptBuffer {
			j.buf = nil
		}
	}
}

// pipeBytes is how much one read takes: what a pipe holds that could not be grown.
const pipeBytes = 64 << 10

var readPool = sync.Pool{New: func() any { b := make([]byte, pipeBytes); return &b }}

// drain reads what is in the pipe when it is called. It never waits for a pipe to run
// empty that a function goes on filling. j.mu is held.
func (j *journal) drain() {
	for read := 0; read < grownPipe && j.read(); { // what was in it is no more than that
		read += pipeBytes
	}
}

// read takes the next part of what is in the pipe; more says that there may be another.
// j.mu is held.
func (j *journal) read() (more bool) {
	if j.closed {
		return false
	}
	bp := readPool.Get().(*[]byte)
	defer readPool.Put(bp)
	n, err := quickio.Read(j.fd, *bp)
	if n <= 0 || err != nil {
		return false // empty for now
	}
	j.split.write((*bp)[:n], j.line)
	return n == len(*bp)
}

// flush ends a line that the function left open: an invocation's output is its own.
func (j *journal) flush() { j.split.flush(j.line) }

// ended takes in what processes that have been killed had printed; a record that one of
// them was in the middle of isn't joined to what the next prints.
func (j *journal) ended() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drain()
	j.split.end(j.line)
}

// line records a line. A frame says its own time, which is believed if it can be true.
func (j *journal) line(at time.Time, text string) {
	if now := j.now(); at.Before(j.born) || at.After(now) {
		at = now
	}
	j.record(at, wick.LogLine{RequestID: j.reqID, Text: text})
}

// printedEarly returns what was printed before a function was assigned.
func (j *journal) printedEarly() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drain()
	j.flush()
	var s string
	for _, l := range j.early {
		s += l.Text + "\n"
	}
	return s
}

// close ends the reading and frees the pipe, after one last look into it.
func (j *journal) close() {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		<-j.end
		return
	}
	j.drain()
	j.split.end(j.line)
	j.closed = true
	j.mu.Unlock()
	// Both are ends of our own pipe, with nothing buffered: closing can't lose data. It
	// waits for the reading goroutine, which may want the mutex first.
	_ = j.r.Close()
	_ = j.w.Close()
	<-j.end
}

// tail keeps the last 4 KB written to it.
type tail struct{ b []byte }

func (t *tail) write(p []byte) {
	if over := len(p) - tailBytes; over > 0 {
		p = p[over:]
	}
	t.b = append(t.b, p...)
	if over := len(t.b) - tailBytes; over > 3*tailBytes {
		t.b = append(t.b[:0], t.b[over:]...)
	}
}

func (t *tail) bytes() []byte {
	if over := len(t.b) - tailBytes; over > 0 {
		return t.b[over:]
	}
	return t.b
}
