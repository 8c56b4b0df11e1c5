package logs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
)

// Options say where log text goes and how much of it may wait.
type Options struct {
	Store wick.LogStore // required
	// Groups is where groups and streams are kept, for deleting them and what is older
	// than they keep; nil does neither.
	Groups wick.LogGroupStore
	// Functions lets the Handler find the log group of a function that has one of
	// its own; without it every function's is /aws/lambda/NAME.
	Functions wick.FunctionStore
	Log       *slog.Logger // the operator's log; nil means slog.Default
	// Dropped is told of text of functions that had to be dropped; nil: only the log is.
	Dropped wick.Recorder

	// FlushEvery is how long a record waits in memory before it is stored; 0 means
	// 500 ms. A crash of the server loses what is younger.
	FlushEvery time.Duration
	// ChunkBytes is the text after which a chunk is stored at once; 0 means 256 KiB.
	ChunkBytes int
	// MaxPending is how much text may wait for the store; 0 means 64 MiB. What comes
	// beyond is dropped, and the log says how much. One stream may use half of it.
	MaxPending int64
	// MaxRetryDelay bounds the pause between attempts while the store fails; 0 means 5 s.
	MaxRetryDelay time.Duration
	// MaxFollowBytes is how much text may wait for one follower that doesn't take
	// it; 0 means 4 MiB. Beyond it the follower reads on from memory and the store.
	MaxFollowBytes int
}

// Logs records log text and answers queries. Its methods can be called from several
// goroutines.
type Logs struct {
	o     Options
	codec *codec

	mu     sync.RWMutex // guards groups
	groups map[wick.LogGroupID]*group

	tapsMu sync.Mutex // guards taps and stored
	taps   map[*Tap]struct{}
	stored map[*func(wick.LogGroupID)]struct{} // who is told; see OnStored

	pending atomic.Int64  // bytes of text in open and sealed chunks
	queue   chunkQueue    // sealed chunks, in the order to store them
	kick    chan struct{} // a chunk was sealed because it is full
	flushes chan chan error
	tasks   chan func() // for the writer to run between stores

	stopped      atomic.Bool // nothing is recorded any more; read with a group's mutex held
	late         atomic.Bool // something came after that
	unfollowOnce sync.Once
	unfollow     chan struct{} // closed when following ends

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
	closeErr  error // set before done is closed
}

var _ wick.Recorder = (*Logs)(nil)

// ErrClosed ends whatever follows a log when Logs is closed.
var ErrClosed = errors.New("the log is closed: the server is shutting down")

// Open starts recording.
func Open(o Options) (*Logs, error) {
	if o.Store == nil {
		return nil, errors.New("logs: a store is required")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 500 * time.Millisecond
	}
	if o.ChunkBytes <= 0 {
		o.ChunkBytes = 256 << 10
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 64 << 20
	}
	if o.MaxRetryDelay <= 0 {
		o.MaxRetryDelay = 5 * time.Second
	}
	if o.MaxFollowBytes <= 0 {
		o.MaxFollowBytes = 4 << 20
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	l := &Logs{
		o: o, codec: codec,
		groups:   map[wick.LogGroupID]*group{},
		taps:     map[*Tap]struct{}{},
		kick:     make(chan struct{}, 1),
		flushes:  make(chan chan error),
		tasks:    make(chan func()),
		unfollow: make(chan struct{}),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	go l.run()
	return l, nil
}

// Flush returns when everything recorded before it is in the store, or with the
// store's error when an attempt failed; the text is then kept and tried again.
func (l *Logs) Flush(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case l.flushes <- answer:
	case <-l.closing:
		return ErrClosed
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

// Close stores what is in memory, ends followers and stops recording. When the store
// fails for good it says how many records are lost. It can be called twice.
func (l *Logs) Close() error {
	l.closeOnce.Do(func() { close(l.closing) })
	defer l.StopFollowing() // when the last record is there for followers to take
	<-l.done
	return l.closeErr
}

// StopFollowing ends all that follows a log, and refuses to follow, while recording
// goes on: an HTTP server that shuts down waits for its handlers. It is meant for
// http.Server.RegisterOnShutdown, and Close calls it.
func (l *Logs) StopFollowing() {
	l.unfollowOnce.Do(func() { close(l.unfollow) })
}

// scratch is what rendering one event needs.
type scratch struct {
	text []byte
	ends []int
}

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 1024), ends: make([]int, 0, 4)} }}

// maxScratch is up to which size a scratch is kept for the next event.
const maxScratch = 64 << 10

// Record implements wick.Recorder.
func (l *Logs) Record(at time.Time, src *wick.Source, e wick.Event) {
	s := scratches.Get().(*scratch)
	s.text, s.ends = wick.AppendLog(s.text[:0], s.ends[:0], at, src, e)
	change, _ := e.(wick.StateChanged)
	if len(s.ends) > 0 {
		l.append(at, src, wick.RequestIDOf(e), s)
	} else if change.To == wick.InstanceStopped {
		l.finish(src)
	}
	if cap(s.text) <= maxScratch {
		scratches.Put(s)
	}
}

// append puts the records of one event into their stream.
func (l *Logs) append(at time.Time, src *wick.Source, requestID string, s *scratch) {
	g := l.lockGroup(groupOf(src))
	if g == nil {
		if l.late.CompareAndSwap(false, true) {
			l.o.Log.Warn("log text came after the log was closed and is lost", "group", src.LogGroup, "stream", src.LogStream)
		}
		return
	}
	full := g.append(l, at, src, requestID, s)
	g.mu.Unlock()
	if full {
		l.wakeWriter()
	}
}

// finish notes that a stream gets no more records; its state goes once it is stored.
func (l *Logs) finish(src *wick.Source) {
	g := l.lockGroup(groupOf(src))
	if g == nil {
		return
	}
	if st := g.streams[src.LogStream]; st != nil {
		st.done = true
		g.drop(st)
	}
	g.mu.Unlock()
}

// groupOf is the log group of an instance, in its function's account and region.
func groupOf(src *wick.Source) wick.LogGroupID {
	id := wick.LogGroupID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: src.LogGroup}
	if f := src.Function; f != nil {
		id.Account, id.Region = f.Account, f.Region
	}
	return id
}

// lockGroup returns a group, made if need be, with its mutex held; nil after Close.
func (l *Logs) lockGroup(id wick.LogGroupID) *group {
	for {
		l.mu.RLock()
		g := l.groups[id]
		l.mu.RUnlock()
		if g == nil {
			l.mu.Lock()
			if g = l.groups[id]; g == nil {
				g = newGroup(id)
				l.groups[id] = g
			}
			l.mu.Unlock()
		}
		g.mu.Lock()
		switch {
		case l.stopped.Load():
			g.mu.Unlock()
			return nil
		case !g.gone:
			return g
		}
		g.mu.Unlock()
	}
}

// wakeWriter makes the writer store what is sealed; it never waits.
func (l *Logs) wakeWriter() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}
