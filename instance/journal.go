package instance

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
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
// between its START and its END; between platform events the pump looks into the pipe.
type journal struct {
	rec wick.Recorder
	now func() time.Time
	// born is when the instance was made: nothing was printed before.
	born time.Time

	r     *os.File // the pipe's end we read
	w     *os.File // the end the processes get; kept open, so a restart writes to the same pipe
	fd    uintptr  // of r, in non-blocking mode
	holds int      // bytes, of the pipe

	watched atomic.Bool // by the pump, whose mutex guards its changes and place
	place   int         // among the pump's journals

	gone    chan struct{}  // closed when it is
	readers sync.WaitGroup // a flood

	mu      sync.Mutex // guards everything below, and orders the events
	closed  bool
	flooded bool // a goroutine empties the pipe
	split   splitter
	taken   int64        // bytes read from the pipe
	until   time.Time    // when what is being taken in was printed at the latest; zero: now
	src     *wick.Source // nil until a function is assigned
	early   []wick.LogLine
	nearly  int // bytes in early, line ends included
	reqID   string
	tail    *tail
	buf     []byte // for the tail's text
	ends    []int
}

// newJournal makes a journal whose pipe is looked into until rest is called.
func newJournal(rec wick.Recorder, now func() time.Time) (*journal, error) {
	var fds [2]int
	// os.Pipe would have the runtime's poller woken by each write.
	syscall.ForkLock.RLock()
	err := syscall.Pipe(fds[:])
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	j := &journal{
		rec: rec, now: now, born: now(), fd: uintptr(fds[0]), holds: growPipe(fds[1]), gone: make(chan struct{}),
		r: os.NewFile(uintptr(fds[0]), "log"), w: os.NewFile(uintptr(fds[1]), "log"),
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), j.r.Close(), j.w.Close())
	}
	pipes.watch(j)
	return j, nil
}

// watch says that processes may print from now on.
func (j *journal) watch() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watchLocked()
}

// watchLocked is watch for those who hold j.mu.
func (j *journal) watchLocked() {
	if !j.closed && !j.watched.Load() {
		pipes.watch(j)
	}
}

// rest says that none can until watch is called; what they have printed is taken in with
// the next event of the platform.
func (j *journal) rest() { pipes.rest(j) }

// assign names the source of all events from now on; what a bootstrap printed before
// becomes the function's.
func (j *journal) assign(src *wick.Source) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watchLocked()
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
	j.watchLocked()
	j.takeIn(at)
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
	j.takeIn(at)
	for _, e := range events {
		j.record(at, e)
	}
}

// takeIn takes in what was printed before a platform event of the time at, an open line
// included: an invocation's output is its own. j.mu is held.
func (j *journal) takeIn(at time.Time) {
	j.until = at
	j.drain()
	j.flush()
	j.until = time.Time{}
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

// drain reads what is in the pipe when it is called, and returns how much that was. It
// never waits for a pipe to run empty that a function goes on filling. j.mu is held.
func (j *journal) drain() (n int) {
	for more := true; more && n < j.holds; { // what was in it is no more than that
		before := j.taken
		more = j.read()
		n += int(j.taken - before)
	}
	return n
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
	j.taken += int64(n)
	j.split.write((*bp)[:n], j.line)
	return n == len(*bp)
}

// flush ends a line that the function left open.
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
	latest := j.until
	if latest.IsZero() {
		latest = j.now()
	}
	if at.Before(j.born) || at.After(latest) {
		at = latest
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

// close ends the reading and frees the pipe, after one last look into it. It can be called
// twice, and returns when nobody reads any more.
func (j *journal) close() {
	j.mu.Lock()
	if !j.closed {
		j.drain()
		j.split.end(j.line)
		j.closed = true
		j.rest()
		close(j.gone)
		// Both are ends of our own pipe, with nothing buffered: closing can't lose data.
		_ = j.r.Close()
		_ = j.w.Close()
	}
	j.mu.Unlock()
	j.readers.Wait()
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
