package front

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick/internal/quickio"
)

const (
	// headBytes is the longest head that is read here.
	headBytes = 8 << 10
	// maxLeftOver is how much of a body that its handler left unread is read for the
	// connection to be used again.
	maxLeftOver = 256 << 10
	// lingerTime is how long a client may go on sending behind its answer.
	lingerTime = 500 * time.Millisecond
)

// conn is one client's connection.
type conn struct {
	s     *Server
	nc    net.Conn
	state atomic.Int32 // idle, active, closed
	seen  atomic.Int64 // when it last did something, in seconds since the epoch
	begun atomic.Bool  // a head has begun to arrive
	last  bool         // it is closed behind this answer

	detached bool          // the handler returned before its answer was written
	turn     atomic.Int32  // answered, pending, awaited
	answered chan struct{} // gets a value when an answer is finished that is awaited
	finish   func()        // c.finishDetached, made once

	buf  []byte // what was read and not used: buf[at:end]
	at   int
	end  int
	reqs requests
	body body
	resp response
	gone gone
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, nc: quickio.Wrap(nc), buf: make([]byte, headBytes)}
	c.body.c, c.resp.c, c.gone.c = c, c, c
	c.answered, c.finish = make(chan struct{}, 1), c.finishDetached
	c.resp.header = make(http.Header, 8)
	c.reqs.req = *new(http.Request).WithContext(&c.gone)
	c.reqs.req.RemoteAddr = nc.RemoteAddr().String()
	c.note()
	return c
}

func (c *conn) note() { c.seen.Store(time.Now().Unix()) }

// serve answers requests until the connection ends or isn't ours any more.
func (c *conn) serve() {
	handedOver := false
	defer func() {
		if p := recover(); p != nil && !aborts(p) {
			c.s.o.Log.Error("handler panicked", "panic", p, "stack", string(debug.Stack()))
		}
		c.gone.cancel()
		if !handedOver {
			_ = c.nc.Close() // a second close is harmless
		}
	}()
	for {
		head, err := c.readHead()
		if err != nil {
			c.gone.cancel() // an event that still waits for an instance needn't
		}
		c.awaitAnswer()
		if err != nil || !c.state.CompareAndSwap(idle, active) {
			return
		}
		c.begun.Store(false)
		r, length, ok := c.reqs.parse(head, c.s.o.Here)
		if !ok {
			handedOver = true
			c.s.others.give(&replay{Conn: c.plain(), read: c.buf[c.at:c.end]})
			return
		}
		c.at += len(head)
		if !c.answer(r, length) {
			return
		}
		if c.detached { // the next request's head can be waited for already
			c.detached = false
			continue
		}
		c.state.Store(idle)
		if c.s.closing.Load() {
			return
		}
	}
}

// How far a detached answer is.
const (
	none    int32 = iota // there is none, or it is finished
	pending              // it is being waited for by the client only
	awaited              // by the connection's goroutine, too
)

// awaitAnswer returns when a detached answer is finished.
func (c *conn) awaitAnswer() {
	if c.turn.CompareAndSwap(pending, awaited) {
		<-c.answered
	}
}

// finishDetached sends what a detached handler's answer has left to be sent.
func (c *conn) finishDetached() {
	w := &c.resp
	w.conclude()
	q, ok := c.nc.(interface {
		TryWrite(p []byte) (int, error)
	})
	rest := w.buf
	if w.failed == nil && ok && len(rest) > 0 {
		var n int
		n, w.failed = q.TryWrite(rest)
		rest = rest[n:]
	}
	if w.failed == nil && len(rest) > 0 { // the client is slow
		go func() {
			_, w.failed = c.nc.Write(rest)
			c.finished()
		}()
		return
	}
	c.finished()
}

// finished lets the connection go on behind a detached answer.
func (c *conn) finished() {
	c.note()
	failed := c.resp.failed != nil || c.last
	c.state.Store(idle)
	if failed || c.s.closing.Load() {
		_ = c.nc.Close() // its goroutine sees it
	}
	if c.turn.Swap(none) == awaited {
		c.answered <- struct{}{}
	}
}

func aborts(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// answer serves one request; it says whether the connection can be used on.
func (c *conn) answer(r *http.Request, length int64) bool {
	c.body.left = length
	if r.Body = http.NoBody; length > 0 {
		r.Body = &c.body
	}
	c.last = false
	c.resp.reset()
	c.gone.begin(length > 0)
	c.s.o.Handler.ServeHTTP(&c.resp, r)
	if c.detached {
		c.gone.settle()
		return true
	}
	err := c.resp.finish()
	c.gone.settle()
	c.note()
	switch {
	case err != nil:
		return false
	case c.last && c.body.left > 0:
		c.lingeringClose()
		return false
	case c.last:
		return false
	case c.body.left > 0:
		_, err = io.Copy(io.Discard, &c.body)
	}
	return err == nil
}

// plain returns the connection as it was accepted.
func (c *conn) plain() net.Conn {
	if quick, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		return quick.NetConn()
	}
	return c.nc
}

// lingeringClose ends a connection whose client is still sending: closed at once, it might
// not get to read its answer.
func (c *conn) lingeringClose() {
	tcp, ok := c.plain().(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil || tcp.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, tcp) // until the client has gone, or the time is over
}

// readHead returns the next request's head, to its empty line; nil when it is longer than
// is read here, or its lines end in another way.
func (c *conn) readHead() ([]byte, error) {
	if c.at == c.end {
		c.at, c.end = 0, 0
	}
	searched := c.at
	for {
		fresh := c.buf[searched:c.end]
		if n := bytes.Index(fresh, []byte("\r\n\r\n")); n >= 0 {
			return c.buf[c.at : searched+n+4], nil
		}
		if bytes.Contains(fresh, []byte("\n\n")) || bytes.Contains(fresh, []byte("\n\r\n")) {
			return nil, nil // a head typed by hand: nothing more may come
		}
		searched = max(c.at, c.end-3)
		if c.end == len(c.buf) {
			if c.at == 0 {
				return nil, nil
			}
			copy(c.buf, c.buf[c.at:c.end])
			searched -= c.at
			c.at, c.end = 0, c.end-c.at
		}
		if c.at < c.end && !c.begun.Load() { // part of it is here, perhaps since the last request
			c.note()
			c.begun.Store(true)
		}
		n, err := c.nc.Read(c.buf[c.end:])
		if err != nil {
			return nil, err
		}
		c.end += n
	}
}

// readBody reads what was read ahead, then the connection.
func (c *conn) readBody(p []byte) (int, error) {
	if c.at < c.end {
		n := copy(p, c.buf[c.at:c.end])
		c.at += n
		return n, nil
	}
	return c.nc.Read(p)
}

// overdue says that a connection has been idle, or sending a head, for too long.
func (c *conn) overdue(now time.Time) bool {
	limit := c.s.o.HTTP.IdleTimeout
	if c.begun.Load() {
		limit = c.s.o.HTTP.ReadHeaderTimeout
	}
	return limit > 0 && now.Unix()-c.seen.Load() > int64(limit/time.Second)
}

// gone is the context of a connection's requests: it is over when the client hangs up.
// That is looked for while somebody waits for it and the request's body has been read, and
// no longer than its request lasts.
type gone struct {
	c *conn

	mu      sync.Mutex // guards what follows
	done    chan struct{}
	over    bool
	serving bool          // a request is being served
	unread  bool          // its body hasn't been read to the end
	asked   bool          // somebody waits for its end
	watched chan struct{} // closed when the watcher has ended; nil: nobody watches
}

// hangup is a connection that says when its other side has ended it, as quickio's does.
type hangup interface{ AwaitHangup() bool }

// Done implements context.Context.
func (g *gone) Done() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done == nil {
		g.done = make(chan struct{})
		if g.over {
			close(g.done)
		}
	}
	g.asked = true
	g.watchLocked()
	return g.done
}

// watchLocked begins to look for a hang-up if there is reason to; g.mu is held.
func (g *gone) watchLocked() {
	h, ok := g.c.nc.(hangup)
	if !ok || !g.asked || !g.serving || g.unread || g.over || g.watched != nil {
		return
	}
	watched := make(chan struct{})
	g.watched = watched
	go func() {
		defer close(watched)
		if h.AwaitHangup() {
			g.cancel()
		}
	}()
}

// Err implements context.Context.
func (g *gone) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return context.Canceled
	}
	return nil
}

// Deadline implements context.Context.
func (*gone) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*gone) Value(any) any { return nil }

func (g *gone) cancel() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over = true; g.done != nil {
		select {
		case <-g.done:
		default:
			close(g.done)
		}
	}
}

// begin says that a request is being served, unread that it has a body.
func (g *gone) begin(unread bool) {
	g.mu.Lock()
	g.serving, g.unread = true, unread
	g.mu.Unlock()
}

// quiet says that the body has been read: the connection isn't until the request is over.
func (g *gone) quiet() {
	g.mu.Lock()
	g.unread = false
	g.watchLocked()
	g.mu.Unlock()
}

// settle ends the watching: the connection is to be read again.
func (g *gone) settle() {
	g.mu.Lock()
	watched := g.watched
	g.watched, g.serving, g.asked = nil, false, false
	g.mu.Unlock()
	if watched == nil {
		return
	}
	_ = g.c.nc.SetReadDeadline(time.Unix(1, 0)) // a closed one ends the watching as well
	<-watched
	_ = g.c.nc.SetReadDeadline(time.Time{}) // its next read says what is wrong with it
}
