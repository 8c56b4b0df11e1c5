package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a Resolver. A query in flight costs a goroutine and a descriptor.
const (
	queriesAtOnce          = 256 // of all sandboxes together
	queriesAtOncePerSocket = 32
	connectionsPerSocket   = 8
	maxDatagram            = 4096 // a longer query is dropped; real ones have some 50 bytes
	maxMessage             = 65535
	connectionIdle         = 10 * time.Second
	// queryTimeout is how long a query may take over all tries; who asked gives up at
	// about the same time.
	queryTimeout = 10 * time.Second
	// firstTry bounds the tries of the first round, so that a dead first resolver leaves
	// time for the second before who asked gives up.
	firstTry = 2 * time.Second
	// avoidFor is how long a resolver that didn't answer is asked only after the others.
	avoidFor = 15 * time.Second
)

// Resolver answers DNS queries that come from sandboxes by passing them on to the
// host's resolvers, as /etc/resolv.conf names them; one on the host's loopback is
// reached too, as the Resolver asks from the host's side. It passes on DNS queries
// only. One Resolver serves the sockets of any number of sandboxes.
type Resolver struct {
	log    *slog.Logger
	config configFile
	limit  chan struct{} // a token for each query in flight

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards below
	closed  bool
	sockets map[io.Closer]struct{}
}

// NewResolver makes a Resolver; a nil log is slog.Default().
func NewResolver(log *slog.Logger) *Resolver {
	if log == nil {
		log = slog.Default()
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Resolver{
		log: log, config: configFile{path: hostResolvConf}, limit: make(chan struct{}, queriesAtOnce),
		ctx: ctx, cancel: cancel, sockets: map[io.Closer]struct{}{},
	}
}

// ServePacket answers queries that come as datagrams, in the background, until pc is
// closed or the Resolver is.
func (r *Resolver) ServePacket(pc net.PacketConn) {
	r.serve(pc, func(ctx context.Context) { r.servePacket(ctx, pc) })
}

// ServeListener answers queries that come over connections, in the background, until
// ln is closed or the Resolver is.
func (r *Resolver) ServeListener(ln net.Listener) {
	r.serve(ln, func(ctx context.Context) { r.serveListener(ctx, ln) })
}

// Close closes the sockets served and returns when all work has ended. It can be
// called twice.
func (r *Resolver) Close() error {
	r.mu.Lock()
	r.closed = true
	for s := range r.sockets {
		s.Close() // an error means its owner has closed it already
	}
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
	return nil
}

// DNS is a Resolver for one sandbox.
type DNS struct{ resolver *Resolver }

// ServeDNS answers the queries of one sandbox on its two sockets, until Close.
func ServeDNS(udp net.PacketConn, tcp net.Listener, log *slog.Logger) *DNS {
	r := NewResolver(log)
	r.ServePacket(udp)
	r.ServeListener(tcp)
	return &DNS{resolver: r}
}

// Close closes both sockets and returns when all work has ended. It can be called twice.
func (d *DNS) Close() error { return d.resolver.Close() }

// serve runs f for a socket in the background. What f started is cancelled when the
// socket is closed.
func (r *Resolver) serve(socket io.Closer, f func(context.Context)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		socket.Close() // as Close would have
		return
	}
	r.sockets[socket] = struct{}{}
	r.work.Go(func() {
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		f(ctx)
		r.mu.Lock()
		delete(r.sockets, socket)
		r.mu.Unlock()
	})
}

func (r *Resolver) servePacket(ctx context.Context, pc net.PacketConn) {
	mine := make(chan struct{}, queriesAtOncePerSocket)
	buffer := make([]byte, maxDatagram+1)
	for {
		// Before reading: what can't be worked on stays in the socket's buffer, and the
		// kernel drops what doesn't fit.
		mine <- struct{}{}
		n, from, err := pc.ReadFrom(buffer)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			<-mine
			r.log.Warn("DNS query not read", "error", err)
			if !pause(ctx) {
				return
			}
			continue
		}
		q, err := parseQuery(buffer[:n])
		if err != nil || n > maxDatagram {
			<-mine
			if refused := (refusal{}); errors.As(err, &refused) && n <= maxDatagram {
				// Lost if it can't be sent, as any datagram may be.
				_, _ = pc.WriteTo(failure(buffer[:n], refused.code), from)
			}
			continue
		}
		q = q.clone()
		r.work.Go(func() {
			defer func() { <-mine }()
			if answer := r.ask(ctx, "udp", q); answer != nil {
				_, _ = pc.WriteTo(answer, from) // as above
			}
		})
	}
}

func (q query) clone() query {
	m := append([]byte(nil), q.message...)
	return query{message: m, question: m[dnsHeaderLen : dnsHeaderLen+len(q.question)]}
}

// pause waits a little before trying again what failed; false when ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(100 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Resolver) serveListener(ctx context.Context, ln net.Listener) {
	mine := make(chan struct{}, connectionsPerSocket)
	for {
		mine <- struct{}{}
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			<-mine
			r.log.Warn("DNS connection not accepted", "error", err)
			if !pause(ctx) {
				return
			}
			continue
		}
		r.work.Go(func() {
			defer func() { <-mine }()
			r.serveConnection(ctx, conn)
		})
	}
}

// serveConnection answers one query after another. Framing: RFC 1035, section 4.2.2.
func (r *Resolver) serveConnection(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	for {
		if conn.SetDeadline(time.Now().Add(connectionIdle)) != nil {
			return
		}
		m, err := readFramed(conn)
		if err != nil {
			return // the client has gone, or is idle
		}
		q, err := parseQuery(m)
		var answer []byte
		if refused := (refusal{}); errors.As(err, &refused) {
			answer = failure(m, refused.code)
		} else if err != nil {
			return
		} else if answer = r.ask(ctx, "tcp", q); answer == nil {
			return
		}
		if conn.SetDeadline(time.Now().Add(connectionIdle)) != nil || writeFramed(conn, answer) != nil {
			return
		}
	}
}

func readFramed(conn net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, m)
	return m, err
}

func writeFramed(conn net.Conn, m []byte) error {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(m)), uint16(len(m)))
	_, err := conn.Write(append(framed, m...))
	return err
}

// ask passes a query on to the host's resolvers, one after another until one answers,
// and returns the answer; nil when ctx has ended.
func (r *Resolver) ask(ctx context.Context, network string, q query) []byte {
	select {
	case r.limit <- struct{}{}:
		defer func() { <-r.limit }()
	case <-ctx.Done():
		return nil
	}
	all, err := r.config.load()
	if err != nil {
		r.log.Warn("DNS query not answered", "error", err)
		return failure(q.message, rcodeServerFailure)
	}
	deadline, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var last []byte
	for round := range all.config.attempts {
		timeout := all.config.timeout
		if round == 0 {
			timeout = min(timeout, firstTry)
		}
		for _, s := range all.inOrder(time.Now()) {
			answer, err := s.ask(deadline, network, q, timeout)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				s.avoid(time.Now().Add(avoidFor))
				r.log.Debug("resolver didn't answer", "server", s.address, "error", err)
				continue
			}
			s.avoid(time.Time{})
			switch responseCode(answer) {
			case rcodeServerFailure, rcodeNotImplemented, rcodeRefused:
				last = answer // another one may know
			default:
				return answer
			}
		}
		if last != nil {
			return last
		}
	}
	return failure(q.message, rcodeServerFailure)
}

// servers are the resolvers of one version of a resolv.conf.
type servers struct {
	config resolverConfig
	all    []*server
}

// server is one resolver.
type server struct {
	address netip.AddrPort
	avoided atomic.Int64 // Unix nanoseconds until which others are asked first
}

func newServers(c resolverConfig) *servers {
	s := &servers{config: c}
	for _, a := range c.servers {
		s.all = append(s.all, &server{address: a})
	}
	return s
}

// inOrder returns the resolvers as they should be asked: those that lately didn't
// answer last, otherwise as the file has them.
func (s *servers) inOrder(now time.Time) []*server {
	var good, bad []*server
	for _, one := range s.all {
		if one.avoided.Load() > now.UnixNano() {
			bad = append(bad, one)
		} else {
			good = append(good, one)
		}
	}
	return append(good, bad...)
}

func (s *server) avoid(until time.Time) {
	if until.IsZero() {
		s.avoided.Store(0)
		return
	}
	s.avoided.Store(until.UnixNano())
}

// ask sends the query once and waits for its answer.
func (s *server) ask(ctx context.Context, network string, q query, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, s.address.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if network == "tcp" {
		if err := writeFramed(conn, q.message); err != nil {
			return nil, err
		}
		m, err := readFramed(conn)
		if err == nil && !q.answers(m) {
			err = fmt.Errorf("resolver %s: an answer to something else", s.address)
		}
		return m, err
	}
	if _, err := conn.Write(q.message); err != nil {
		return nil, err
	}
	buffer := datagrams.Get().(*[maxMessage]byte)
	defer datagrams.Put(buffer)
	for {
		n, err := conn.Read(buffer[:])
		if err != nil {
			return nil, err
		}
		if q.answers(buffer[:n]) { // else a late one, or a forged one
			return append([]byte(nil), buffer[:n]...), nil
		}
	}
}

// datagrams are buffers for answers, which are rarely long but may be.
var datagrams = sync.Pool{New: func() any { return new([maxMessage]byte) }}
