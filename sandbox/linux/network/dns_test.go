package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick/internal/testkit/leak"
)

var quiet = slog.New(slog.DiscardHandler)

// upstream is a resolver of the host: it answers on one port, datagrams and
// connections alike, what reply says; nil is no answer.
func upstream(t testing.TB, reply func(network string, query []byte) []byte) netip.AddrPort {
	t.Helper()
	pc, ln := pair(t)
	var work sync.WaitGroup
	t.Cleanup(func() { pc.Close(); ln.Close(); work.Wait() })
	work.Go(func() {
		b := make([]byte, maxMessage)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := reply("udp", bytes.Clone(b[:n])); answer != nil {
				_, _ = pc.WriteTo(answer, from) // the test fails for want of it
			}
		}
	})
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				m, err := readFramed(conn)
				if err != nil {
					return
				}
				if answer := reply("tcp", m); answer != nil {
					_ = writeFramed(conn, answer) // as above
				}
			})
		}
	})
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// pair makes a UDP and a TCP socket on the same port.
func pair(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return pc, ln
		}
		ln.Close() // taken for the other protocol
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// answer makes the answer to a query with a code.
func answer(query []byte, code rcode) []byte { return failure(query, code) }

// relay serves a pair of sockets with the given resolvers behind them.
func relay(t testing.TB, c resolverConfig) (udp, tcp string) {
	t.Helper()
	leak.Check(t)
	pc, ln := pair(t)
	d := ServeDNS(pc, ln, quiet)
	use(d.resolver, c)
	t.Cleanup(func() {
		for range 2 {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return pc.LocalAddr().String(), ln.Addr().String()
}

// use makes a Resolver ask others than the host's resolv.conf names.
func use(r *Resolver, c resolverConfig) {
	r.config.mu.Lock()
	defer r.config.mu.Unlock()
	r.config.current = newServers(c)
	r.config.checked = time.Now().Add(time.Hour)
}

// exchange sends a message as a client does and returns the answer.
func exchange(network, address string, m []byte) ([]byte, error) {
	conn, err := net.DialTimeout(network, address, time.Minute)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if network == "tcp" {
		if err := writeFramed(conn, m); err != nil {
			return nil, err
		}
		return readFramed(conn)
	}
	if _, err := conn.Write(m); err != nil {
		return nil, err
	}
	b := make([]byte, maxMessage)
	n, err := conn.Read(b)
	return b[:n], err
}

var aQuery = message(flagRecursionDesired, [4]uint16{1, 0, 0, 1}, questionA+edns)

func TestQueriesArePassedOnAndAnswered(t *testing.T) {
	var got sync.Map
	server := upstream(t, func(network string, query []byte) []byte {
		got.Store(network, query)
		if network == "udp" {
			return answer(query, rcodeSuccess)
		}
		return append(answer(query, rcodeSuccess), make([]byte, 60000)...) // too long for a datagram
	})
	udp, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{server}, timeout: 30 * time.Second, attempts: 1})
	for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
		m, err := exchange(network, address, aQuery)
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		if want := answer(aQuery, rcodeSuccess); !bytes.HasPrefix(m, want) || network == "tcp" && len(m) != len(want)+60000 {
			t.Errorf("%s: answer of %d bytes: %q", network, len(m), m[:min(len(m), 80)])
		}
		if q, _ := got.Load(network); !bytes.Equal(q.([]byte), aQuery) {
			t.Errorf("%s: the resolver was asked %q, want %q", network, q, aQuery)
		}
	}
}

func TestOneConnectionTakesSeveralQueries(t *testing.T) {
	server := upstream(t, func(_ string, query []byte) []byte { return answer(query, rcodeSuccess) })
	_, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{server}, timeout: 30 * time.Second, attempts: 1})
	conn, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for id := range byte(3) {
		q := bytes.Clone(aQuery)
		q[0] = id
		if err := writeFramed(conn, q); err != nil {
			t.Fatal(err)
		}
		if m, err := readFramed(conn); err != nil || m[0] != id {
			t.Errorf("query %d: %q, %v", id, m, err)
		}
	}
}

func TestTheNextResolverIsAskedWhenOneFails(t *testing.T) {
	silent := upstream(t, func(string, []byte) []byte { return nil })
	good := upstream(t, func(_ string, query []byte) []byte { return answer(query, rcodeSuccess) })
	failing := upstream(t, func(_ string, query []byte) []byte { return answer(query, rcodeServerFailure) })
	forging := upstream(t, func(_ string, query []byte) []byte { // answers another question
		m := answer(query, rcodeSuccess)
		m[0]++
		return m
	})
	missing := func() netip.AddrPort { // nobody listens
		pc, ln := pair(t)
		pc.Close()
		ln.Close()
		return netip.MustParseAddrPort(pc.LocalAddr().String())
	}()
	for name, first := range map[string]netip.AddrPort{"silent": silent, "failing": failing, "forging": forging, "missing": missing} {
		t.Run(name, func(t *testing.T) {
			udp, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{first, good}, timeout: time.Second, attempts: 2})
			for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
				m, err := exchange(network, address, aQuery)
				if err != nil || responseCode(m) != rcodeSuccess {
					t.Errorf("%s: %q, %v", network, m, err)
				}
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		for _, servers := range [][]netip.AddrPort{{silent, missing}, {silent, failing}} {
			udp, tcp := relay(t, resolverConfig{servers: servers, timeout: 50 * time.Millisecond, attempts: 2})
			for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
				m, err := exchange(network, address, aQuery)
				if err != nil || !bytes.Equal(m, answer(aQuery, rcodeServerFailure)) {
					t.Errorf("%s: %q, %v", network, m, err)
				}
			}
		}
	})
}

func TestAResolverThatDoesNotAnswerIsAskedLast(t *testing.T) {
	c := newServers(resolverConfig{servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}})
	now := time.Now()
	first, second := c.all[0], c.all[1]
	check := func(when string, at time.Time, want ...*server) {
		t.Helper()
		if got := c.inOrder(at); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	check("at first", now, first, second)
	first.avoid(now.Add(avoidFor))
	check("after it didn't answer", now, second, first)
	check("later", now.Add(avoidFor), first, second)
	first.avoid(time.Time{})
	check("after it answered", now, first, second)
}

func TestWhatIsNoQueryNeverReachesAResolver(t *testing.T) {
	asked := make(chan []byte, 64)
	server := upstream(t, func(_ string, query []byte) []byte {
		asked <- query
		return answer(query, rcodeSuccess)
	})
	udp, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{server}, timeout: 30 * time.Second, attempts: 1})
	refusals := 0
	for _, q := range queries {
		var refused refusal
		switch {
		case errors.As(q.want, &refused):
			refusals++
			for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
				m, err := exchange(network, address, q.message)
				if err != nil || responseCode(m) != refused.code {
					t.Errorf("%s over %s: %q, %v", q.name, network, m, err)
				}
			}
		case errors.Is(q.want, errNotDNS):
			// No answer; over a connection, the end.
			if m, err := exchange("tcp", tcp, q.message); !errors.Is(err, io.EOF) {
				t.Errorf("%s: %q, %v", q.name, m, err)
			}
			conn, err := net.Dial("udp", udp)
			if err != nil {
				t.Fatal(err)
			}
			_, err = conn.Write(q.message)
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A good one, behind them all, is the only one to arrive.
	if m, err := exchange("udp", udp, aQuery); err != nil || responseCode(m) != rcodeSuccess {
		t.Fatalf("%q, %v", m, err)
	}
	if first := <-asked; !bytes.Equal(first, aQuery) {
		t.Errorf("the resolver was asked %q", first)
	}
	if refusals == 0 {
		t.Error("nothing was refused")
	}
}

func TestManyQueriesAtOnceAreAllAnswered(t *testing.T) {
	server := upstream(t, func(_ string, query []byte) []byte { return answer(query, rcodeSuccess) })
	udp, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{server}, timeout: 30 * time.Second, attempts: 1})
	var clients sync.WaitGroup
	for range 60 {
		for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
			clients.Go(func() {
				if m, err := exchange(network, address, aQuery); err != nil || responseCode(m) != rcodeSuccess {
					t.Errorf("%s: %q, %v", network, m, err)
				}
			})
		}
	}
	clients.Wait()
}

func TestCloseEndsQueriesInFlight(t *testing.T) {
	leak.Check(t)
	asked := make(chan struct{})
	var once sync.Once
	server := upstream(t, func(string, []byte) []byte {
		once.Do(func() { close(asked) })
		return nil
	})
	pc, ln := pair(t)
	r := NewResolver(quiet)
	use(r, resolverConfig{servers: []netip.AddrPort{server}, timeout: time.Hour, attempts: 1})
	r.ServePacket(pc)
	r.ServeListener(ln)
	clients := []net.Conn{}
	for network, address := range map[string]string{"udp": pc.LocalAddr().String(), "tcp": ln.Addr().String()} {
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		clients = append(clients, conn)
		if network == "udp" {
			if _, err := conn.Write(aQuery); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-asked
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(aQuery); err == nil {
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s still served: %v", c.RemoteAddr().Network(), err)
			}
		}
	}
	pc, ln = pair(t)
	r.ServePacket(pc)
	r.ServeListener(ln)
	if _, _, err := pc.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed Resolver left a socket open: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed Resolver left a listener open: %v", err)
	}
}

func TestResolvConfIsReadAsTheCLibraryReadsIt(t *testing.T) {
	for _, c := range []struct {
		name, text string
		servers    string
		timeout    time.Duration
		attempts   int
	}{
		{"empty", "", "[127.0.0.1:53]", 5 * time.Second, 2},
		{"a stub", "# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n", "[127.0.0.53:53]", 5 * time.Second, 2},
		{"options", "nameserver 192.0.2.1\noptions timeout:1 attempts:3", "[192.0.2.1:53]", time.Second, 3},
		{"too much", "nameserver 192.0.2.1\noptions timeout:9999999999 attempts:99 timeout:600", "[192.0.2.1:53]", 30 * time.Second, 5},
		{"nonsense", "nameserver\nnameserver nowhere\n\x00\xff\noptions timeout: attempts:x\nnameserver\t192.0.2.1 # lan", "[192.0.2.1:53]", 5 * time.Second, 2},
		{"IPv6", "nameserver fe80::1%eth0\nnameserver 2001:db8::1", "[[fe80::1%eth0]:53 [2001:db8::1]:53]", 5 * time.Second, 2},
		{"four", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4", "[192.0.2.1:53 192.0.2.2:53 192.0.2.3:53]", 5 * time.Second, 2},
	} {
		got := parseResolvConf([]byte(c.text))
		if s := fmt.Sprint(got.servers); s != c.servers || got.timeout != c.timeout || got.attempts != c.attempts {
			t.Errorf("%s: %s, %v, %d; want %s, %v, %d", c.name, s, got.timeout, got.attempts, c.servers, c.timeout, c.attempts)
		}
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add([]byte("nameserver 127.0.0.53\noptions timeout:1 attempts:3\nsearch lan"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := parseResolvConf(text)
		if n := len(c.servers); n < 1 || n > maxNameservers || c.timeout <= 0 || c.timeout > maxTryTimeout || c.attempts < 1 || c.attempts > maxAttempts {
			t.Errorf("%+v", c)
		}
	})
}

func TestAChangedResolvConfIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	f := configFile{path: path}
	check := func(when, want string) {
		t.Helper()
		f.checked = time.Time{} // as if time had passed
		s, err := f.load()
		if err != nil || fmt.Sprint(s.config.servers) != want {
			t.Errorf("%s: %v, %v; want %s", when, s, err, want)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	check("without a file", "[127.0.0.1:53]")
	write("nameserver 192.0.2.1")
	check("with one", "[192.0.2.1:53]")
	before := f.current
	write("nameserver 192.0.2.1\n# the same")
	if check("with the same servers", "[192.0.2.1:53]"); f.current != before {
		t.Error("what is known of the servers was forgotten")
	}
	write("nameserver 192.0.2.2")
	check("with another", "[192.0.2.2:53]")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("without again", "[192.0.2.2:53]")
}

func TestASandboxesResolvConfNamesTheResolver(t *testing.T) {
	text, err := SandboxResolvConf(netip.MustParseAddr("169.254.100.1"))
	if err != nil {
		t.Fatal(err)
	}
	if c := parseResolvConf(text); fmt.Sprint(c.servers) != "[169.254.100.1:53]" {
		t.Errorf("got %q", text)
	}
}

func TestTheGoResolverWorksThroughTheRelay(t *testing.T) {
	// One record: A 192.0.2.99, whatever the name, to questions of type A.
	server := upstream(t, func(_ string, query []byte) []byte {
		m := answer(query, rcodeSuccess)
		if q, err := parseQuery(query); err == nil && q.question[len(q.question)-3] == 1 {
			m[7] = 1
			m = append(m, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x63"...)
		}
		return m
	})
	udp, tcp := relay(t, resolverConfig{servers: []netip.AddrPort{server}, timeout: 30 * time.Second, attempts: 1})
	for network, address := range map[string]string{"udp": udp, "tcp": tcp} {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}
		got, err := r.LookupHost(context.Background(), "function.example.")
		if err != nil || fmt.Sprint(got) != "[192.0.2.99]" {
			t.Errorf("%s: %v, %v", network, got, err)
		}
	}
}
