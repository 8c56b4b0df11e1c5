//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAListenerInASlotIsReachedOnlyFromInside(t *testing.T) {
	p := open(t, Options{ID: "listen", Ahead: 2, Egress: true})
	a, b := take(t, p, true), take(t, p, true)
	for _, address := range []string{"169.254.100.1:9001", "169.254.79.129:2000", "127.0.0.1:9001", "[::1]:9001"} {
		t.Run(address, func(t *testing.T) {
			ln, err := a.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if ln.Addr().String() != address {
				t.Errorf("listens at %s", ln.Addr())
			}
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, "a") // the test fails for want of it
					conn.Close()
				}
			}()
			defer ln.Close()
			if said, err := askEcho(a.Namespace(), "tcp", address); err != nil || said != "a" {
				t.Errorf("from inside: %q, %v", said, err)
			}
			if _, err := askEcho(b.Namespace(), "tcp", address); err == nil {
				t.Error("reached from another slot")
			}
			if _, err := askEcho(world.home, "tcp", address); err == nil {
				t.Error("reached from the host")
			}
		})
	}
	pc, err := a.ListenPacket("udp", "169.254.100.1:2000")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	err = inside(world.home, a.Namespace(), func() error { return sendFrom("127.0.0.1", "169.254.100.1", 2000, "segment") })
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 16)
	if n, _, err := pc.ReadFrom(buffer); err != nil || string(buffer[:n]) != "segment" {
		t.Errorf("datagram: %q, %v", buffer[:n], err)
	}
}

func TestAnAddressThatIsAHostNameIsRefused(t *testing.T) {
	p := open(t, Options{ID: "literal"})
	s := take(t, p, false)
	for _, address := range []string{"localhost:9001", ":9001", "169.254.100.1", ""} {
		if ln, err := s.Listen("tcp", address); err == nil {
			t.Errorf("%q: listens at %s", address, ln.Addr())
		}
	}
}

func TestAUsedSlotIsCleanedAndUsedAgain(t *testing.T) {
	p := open(t, Options{ID: "again", Egress: true})
	eventually(t, "the first slot is ready", func() bool { return idleSlots(p) == 1 })
	s := take(t, p, true)
	space := s.space
	ln, err := s.Listen("tcp", "127.0.0.1:9001")
	if err != nil {
		t.Fatal(err)
	}
	port := echo(t, world.internet, "udp", farAddress+":0")
	if _, err := askEcho(s.Namespace(), "udp", fmt.Sprintf("%s:%d", farAddress, port)); err != nil {
		t.Fatal(err)
	}
	// A connection whose client closes first keeps the client's port for a minute.
	clientPort := 0
	err = inside(world.home, s.Namespace(), func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:9001")
		if err != nil {
			return err
		}
		clientPort = conn.LocalAddr().(*net.TCPAddr).Port
		server, err := ln.Accept()
		if err != nil {
			return err
		}
		closed := conn.Close()
		_, err = server.Read(make([]byte, 1))
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %w instead of the end", err)
		}
		return errors.Join(closed, server.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	bindClientPort := func(s *Slot) error {
		return inside(world.home, s.Namespace(), func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: clientPort, Addr: [4]byte{127, 0, 0, 1}}), unix.Close(fd))
		})
	}
	if err := bindClientPort(s); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("the used port can be bound again (%v): the test would prove nothing", err)
	}
	if n := flows(t, s.Address()); n == 0 {
		t.Fatal("the host tracks no connection of the slot: the test would prove nothing")
	}

	p.Release(s)
	p.Release(s) // the second time is nothing
	if _, err := s.Listen("tcp", "127.0.0.1:9001"); !errors.Is(err, ErrReleased) {
		t.Errorf("listening after release: %v, want %v", err, ErrReleased)
	}
	eventually(t, "the slot is clean", func() bool { return idleSlots(p) == 1 })
	s = take(t, p, true)
	if s.space != space {
		t.Fatal("it is another one")
	}
	if _, err := askEcho(s.Namespace(), "tcp", "127.0.0.1:9001"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("the old listener: %v, want %v", err, unix.ECONNREFUSED)
	}
	if _, err := s.Listen("tcp", "127.0.0.1:9001"); err != nil {
		t.Errorf("listening again: %v", err)
	}
	if err := bindClientPort(s); err != nil {
		t.Errorf("the old connection's port: %v", err)
	}
	if n := flows(t, s.Address()); n != 0 {
		t.Errorf("the host still tracks %d connections of the old user", n)
	}
	if _, err := askEcho(s.Namespace(), "udp", fmt.Sprintf("%s:%d", farAddress, port)); err != nil {
		t.Errorf("egress of the used slot: %v", err)
	}
}

func flows(t testing.TB, from netip.Addr) int {
	t.Helper()
	flows, err := trackedFlows(func(a netip.Addr) bool { return a == from })
	if err != nil {
		t.Fatal(err)
	}
	return len(flows)
}

func TestABurstOfReleasesIsCleaned(t *testing.T) {
	p := open(t, Options{ID: "burst"})
	var slots []*Slot
	for range 2*washBatch + 1 {
		slots = append(slots, take(t, p, false))
	}
	for _, s := range slots {
		p.Release(s)
	}
	eventually(t, "all are clean or removed", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.spaces) == len(p.idle[plain]) && p.backlog[plain] == 0
	})
}

func TestASlotWithAnOpenSocketIsNotUsedAgain(t *testing.T) {
	p := open(t, Options{ID: "odd", Egress: true})
	eventually(t, "the first slot is ready", func() bool { return idleSlots(p) == 1 })
	var slots []*Slot
	for _, make := range []func() (io.Closer, error){
		func() (io.Closer, error) { return net.Listen("tcp", "127.0.0.1:0") },
		func() (io.Closer, error) { return net.Listen("tcp", "[::1]:0") },
		func() (io.Closer, error) { return net.ListenPacket("udp", "127.0.0.1:0") },
		func() (io.Closer, error) { return net.ListenPacket("udp", "[::1]:0") },
		func() (io.Closer, error) { return net.Listen("unix", "@wick-network-test") },
	} {
		s := take(t, p, true)
		err := inside(world.home, s.Namespace(), func() error {
			c, err := make()
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slots = append(slots, s)
	}
	slots = append(slots, take(t, p, true)) // one without
	for _, s := range slots {
		p.Release(s)
	}
	eventually(t, "all but one are destroyed", func() bool { return allSlots(p) == 1 && idleSlots(p) == 1 })
	eventually(t, "their links are gone", func() bool { return len(linksOf(t, p.names)) == 1 })
}

func TestASlotWithAProcessIsNotUsedAgain(t *testing.T) {
	p := open(t, Options{ID: "proc"})
	s := take(t, p, false)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envHelper+"=wait")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := inside(world.home, s.Namespace(), cmd.Start); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	p.Release(s)
	eventually(t, "the slot is destroyed", func() bool { return allSlots(p) == 0 })
}

func TestIdleSlotsBeyondTheBoundAreRemoved(t *testing.T) {
	p := open(t, Options{ID: "trim", Ahead: 1, Egress: true})
	const n = 30
	var slots []*Slot
	for range n {
		slots = append(slots, take(t, p, true))
	}
	for _, s := range slots {
		p.Release(s)
	}
	eventually(t, "the excess is removed", func() bool { return allSlots(p) == p.maxIdle() })
	eventually(t, "their links are gone", func() bool { return len(linksOf(t, p.names)) == p.maxIdle() })
	// Their addresses are free again.
	for range n {
		slots = append(slots, take(t, p, true))
	}
	for _, s := range slots[n:] {
		if !s.Address().Less(nth(p.outside.addresses.Addr(), n+1+p.options.Ahead+makersAtOnce)) {
			t.Errorf("%s: addresses aren't used again", s.Address())
		}
	}
}

func TestSlotsAreReadyAhead(t *testing.T) {
	p := open(t, Options{ID: "ahead", Ahead: 3, Egress: true})
	eventually(t, "three are ready", func() bool { return idleSlots(p) == 3 })
	take(t, p, true)
	eventually(t, "three are ready again", func() bool { return idleSlots(p) == 3 })
	take(t, p, false) // now that kind is wanted too
	eventually(t, "three of each kind are ready", func() bool { return idleSlots(p) == 6 })
}

func TestTakeFailsAsItSays(t *testing.T) {
	p := open(t, Options{ID: "fails"})
	for range makersAtOnce { // so that Take has to wait
		p.makers <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Take(ctx, false); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for range makersAtOnce {
		<-p.makers
	}
	s := take(t, p, false)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := p.Take(context.Background(), false); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v, want %v", err, ErrClosed)
	}
	if _, err := s.Listen("tcp", "127.0.0.1:1"); err == nil {
		t.Error("listens in a slot of a closed pool")
	}
	p.Release(s)
	for _, id := range []string{"", "UPPER", "with-dash", "toolongforthis"} {
		if _, err := Open(Options{ID: id}); err == nil {
			t.Errorf("ID %q is taken", id)
		}
	}
}

func TestAPoolWithoutEgressGivesPlainSlots(t *testing.T) {
	p := open(t, Options{ID: "plain", Ahead: 1})
	s, err := p.Take(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Egress() || s.Address().IsValid() {
		t.Errorf("a slot with the address %s", s.Address())
	}
	if hasTable(t, p.names) {
		t.Error("a table for a pool without egress")
	}
}

func TestTwoHundredSlotsLeaveNothing(t *testing.T) {
	p := open(t, Options{ID: "many", Ahead: 4, Egress: true})
	slots := make(chan *Slot, 200)
	var takers sync.WaitGroup
	for i := range 8 {
		takers.Go(func() {
			for range cap(slots) / 8 {
				s, err := p.Take(context.Background(), i%4 != 0)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Listen("tcp", "169.254.100.1:9001"); err != nil {
					t.Error(err)
				}
				slots <- s
			}
		})
	}
	takers.Wait()
	close(slots)
	addresses, n := map[netip.Addr]bool{}, 0
	for s := range slots {
		if a := s.Address(); a.IsValid() && addresses[a] {
			t.Errorf("%s is given to two slots", a)
		}
		addresses[s.Address()] = true
		if n++; n%2 == 0 { // the others are left to Close
			p.Release(s)
		}
	}
	if n != cap(slots) {
		t.Errorf("%d slots, want %d", n, cap(slots))
	}
	// open checks that nothing is left.
}

func TestSlotsAreTakenAndReleasedFromManyGoroutines(t *testing.T) {
	p := open(t, Options{ID: "churn", Ahead: 2, Egress: true})
	var inUse sync.Map
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for range 20 {
				s, err := p.Take(context.Background(), true)
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := inUse.LoadOrStore(s.space, true); twice {
					t.Error("a slot is given to two")
				}
				if _, err := s.Listen("tcp", "169.254.100.1:9001"); err != nil {
					t.Error(err)
				}
				inUse.Delete(s.space)
				p.Release(s)
			}
		})
	}
	workers.Wait()
	if n := allSlots(p); n > 40 {
		t.Errorf("%d slots for 6 workers: they aren't used again", n)
	}
}
