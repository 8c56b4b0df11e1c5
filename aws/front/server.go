package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options are what a Server is made of; all but Log are needed.
type Options struct {
	// HTTP serves what isn't served here, with its own handler and limits. Its
	// ReadHeaderTimeout and IdleTimeout hold here too.
	HTTP *http.Server
	// Here says whether a POST is served here, by its target as sent, query included.
	Here func(target []byte) bool
	// Handler serves those requests. It must not keep the request, its header or the
	// ResponseWriter's header when it has returned: they are used again. What it
	// writes is sent when it returns, but for bodies over 64 KiB of a known length.
	Handler http.Handler
	Log     *slog.Logger
}

// Server serves connections, its own way or through net/http.
type Server struct {
	o      Options
	others *handedOver

	closing atomic.Bool // set with mu held

	mu    sync.Mutex // guards what follows
	ln    net.Listener
	open  map[*conn]struct{}
	empty chan struct{} // closed when open runs empty; nil unless someone waits
}

// New returns a server that isn't listening yet.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o, open: make(map[*conn]struct{})}
}

// sweepEvery is how exactly idle connections' time is kept.
const sweepEvery = 5 * time.Second

// Serve answers the connections of a listener until Shutdown or Close, and then returns
// http.ErrServerClosed. The listener is closed with the server.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		return errors.Join(http.ErrServerClosed, ln.Close())
	}
	s.ln = ln
	s.others = newHandedOver(ln.Addr())
	s.mu.Unlock()

	ended := make(chan error, 1)
	go func() { ended <- s.o.HTTP.Serve(s.others) }()
	stop := make(chan struct{})
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		s.sweep(stop)
	}()
	err := s.accept(ln)
	close(stop)
	<-swept
	if !errors.Is(err, http.ErrServerClosed) {
		err = errors.Join(err, s.Close())
	}
	if other := <-ended; !errors.Is(other, http.ErrServerClosed) {
		err = errors.Join(err, other)
	}
	return err
}

// accept takes connections; a shortage, such as of descriptors, is waited out.
func (s *Server) accept(ln net.Listener) error {
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			s.take(nc)
			continue
		}
		if s.closing.Load() {
			return http.ErrServerClosed
		}
		if !short(err) {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.o.Log.Error("connections can't be taken", "error", err, "trying again in", pause)
		time.Sleep(pause)
	}
}

// short says that an error goes by when others let go of what is short.
func short(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (s *Server) take(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		_ = nc.Close() // nothing was sent to it
		return
	}
	s.open[c] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer s.gone(c)
		c.serve()
	}()
}

func (s *Server) gone(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// sweep closes connections that are idle, or take to send a request's head, for too long.
func (s *Server) sweep(stop <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.closeThose(func(c *conn) bool { return c.overdue(now) })
		case <-stop:
			return
		}
	}
}

// closeThose closes the connections with no request being served that which picks.
func (s *Server) closeThose(which func(*conn) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if which(c) && c.state.CompareAndSwap(idle, closed) {
			_ = c.nc.Close() // its goroutine sees it
		}
	}
}

// Shutdown takes no more connections, closes those without a request, and returns when
// the others have had their answers, net/http's included, or with ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	wait := s.stop()
	s.closeThose(func(*conn) bool { return true })
	err := s.o.HTTP.Shutdown(ctx)
	select {
	case <-wait:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close ends all connections at once, and returns when nobody works on them any more.
func (s *Server) Close() error {
	wait := s.stop()
	s.mu.Lock()
	for c := range s.open {
		_ = c.nc.Close() // its goroutine sees it
		c.gone.cancel()  // and a handler that waits for its client does
	}
	s.mu.Unlock()
	err := s.o.HTTP.Close()
	<-wait
	return err
}

// stop begins the end; what it returns is closed when no connection of ours is left.
func (s *Server) stop() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing.Swap(true) {
		if s.ln != nil {
			_ = s.ln.Close() // may be closed by whoever opened it
		}
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.open) == 0 {
			done := s.empty
			close(done)
			s.empty = nil
			return done
		}
	}
	return s.empty
}

// handedOver is the listener that net/http's server takes its connections from.
type handedOver struct {
	addr   net.Addr
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newHandedOver(addr net.Addr) *handedOver {
	return &handedOver{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give hands a connection over; one that comes too late is closed.
func (h *handedOver) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.closed:
		_ = nc.Close() // the server is ending; the client sees that
	}
}

// Accept implements net.Listener.
func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handedOver) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handedOver) Addr() net.Addr { return h.addr }

// replay is a connection some of whose bytes were read already.
type replay struct {
	net.Conn
	read []byte
}

// Read implements net.Conn.
func (r *replay) Read(p []byte) (int, error) {
	if len(r.read) > 0 {
		n := copy(p, r.read)
		r.read = r.read[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// CloseWrite ends the sending, for net/http to have a client that is still sending itself
// read its answer.
func (r *replay) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ReadFrom implements io.ReaderFrom, which net/http looks for.
func (r *replay) ReadFrom(src io.Reader) (int64, error) { return io.Copy(r.Conn, src) }

// What a connection is doing. Its own goroutine changes it from idle to active and back,
// whoever closes it from idle to closed.
const (
	idle int32 = iota
	active
	closed
)
