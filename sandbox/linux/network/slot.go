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
	"sync"
)

// ErrReleased is returned by the methods of a slot that has been released.
var ErrReleased = errors.New("network slot has been released")

// Slot is one namespace in use by one sandbox, from Take to Release. Its methods can
// be called from several goroutines.
type Slot struct {
	pool  *Pool
	space *space

	mu       sync.Mutex
	released bool
	sockets  []io.Closer // what Listen and ListenPacket made
}

// space is what a slot is made of; it outlives the Slot and is used again.
type space struct {
	ns    *os.File
	inode uint64 // of the namespace
	link  *link  // nil: no way outside
	// sent counts the packets that had left the slot when it was last cleaned.
	sent uint64
}

// Namespace returns the slot's network namespace for setns. The file is the pool's:
// don't close it, and don't use it after Release.
func (s *Slot) Namespace() *os.File { return s.space.ns }

// Egress says whether the slot has a way outside.
func (s *Slot) Egress() bool { return s.space.link != nil }

// Address returns the slot's address on its link, as it is before masquerading; the
// zero Addr without egress.
func (s *Slot) Address() netip.Addr {
	if s.space.link == nil {
		return netip.Addr{}
	}
	return s.space.link.address
}

// Listen makes a listening socket inside the slot that the caller serves, e.g. "tcp",
// "169.254.100.1:9001". The address must be an IP address and a port. Closing is the
// caller's; Release closes it if it still is open.
func (s *Slot) Listen(network, address string) (net.Listener, error) {
	var ln net.Listener
	err := s.open(address, func() (c io.Closer, err error) {
		// Keep-alives and multipath TCP have no use between a sandbox and its host.
		lc := net.ListenConfig{KeepAlive: -1}
		lc.SetMultipathTCP(false)
		ln, err = lc.Listen(context.Background(), network, address)
		return ln, err
	})
	if err != nil {
		return nil, fmt.Errorf("listen inside the sandbox: %w", err)
	}
	return ln, nil
}

// ListenPacket is Listen for datagrams, e.g. "udp", "169.254.100.1:2000".
func (s *Slot) ListenPacket(network, address string) (net.PacketConn, error) {
	var pc net.PacketConn
	err := s.open(address, func() (c io.Closer, err error) {
		pc, err = (&net.ListenConfig{}).ListenPacket(context.Background(), network, address)
		return pc, err
	})
	if err != nil {
		return nil, fmt.Errorf("listen inside the sandbox: %w", err)
	}
	return pc, nil
}

// open runs listen inside the namespace. An address that isn't a literal would be
// looked up on other threads, outside.
func (s *Slot) open(address string, listen func() (io.Closer, error)) error {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return fmt.Errorf("%q is not an IP address and port", address)
	}
	s.mu.Lock() // for the time of a few system calls on a namespace that is this slot's alone
	defer s.mu.Unlock()
	if s.released {
		return ErrReleased
	}
	return inside(s.pool.home, s.space.ns, func() error {
		c, err := listen()
		if err == nil {
			s.sockets = append(s.sockets, c)
		}
		return err
	})
}

// release closes the sockets and reports whether this was the first call.
func (s *Slot) release() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return false
	}
	s.released = true
	for _, c := range s.sockets {
		c.Close() // an error means the caller has closed it already
	}
	s.sockets = nil
	return true
}
