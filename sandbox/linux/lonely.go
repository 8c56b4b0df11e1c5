//go:build linux

package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox/linux/network"
)

// slot is a sandbox's network: a network.Slot, or a lonely one.
type slot interface {
	Namespace() *os.File
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
}

// lonelySlot is a network namespace with loopback only, for a server that isn't root
// on the machine. Such a server can make one, since it is root of its own user
// namespace, but a thread that has entered one can't come back to the host's, which is
// of the namespace above. So each visit costs a thread.
type lonelySlot struct{ namespace *os.File }

// newLonelySlot makes one. Nothing but the returned file keeps it alive.
func newLonelySlot() (*lonelySlot, error) {
	s := &lonelySlot{}
	err := onLostThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if err := network.ConfigureLoopback(); err != nil {
			return err
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a network namespace: %w", err)
		}
		s.namespace = os.NewFile(uintptr(fd), "netns")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// onLostThread runs f on a thread that ends with it.
func onLostThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		result <- f()
	}()
	return <-result
}

func (s *lonelySlot) inside(f func() error) error {
	return onLostThread(func() error {
		if err := unix.Setns(int(s.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the sandbox's network namespace: %w", err)
		}
		return f()
	})
}

// Namespace implements slot.
func (s *lonelySlot) Namespace() *os.File { return s.namespace }

// Listen implements slot.
func (s *lonelySlot) Listen(network, address string) (l net.Listener, err error) {
	err = s.inside(func() (err error) {
		config := net.ListenConfig{KeepAlive: -1}
		config.SetMultipathTCP(false)
		l, err = config.Listen(context.Background(), network, address)
		return err
	})
	return l, err
}

// ListenPacket implements slot.
func (s *lonelySlot) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = s.inside(func() (err error) {
		c, err = (&net.ListenConfig{}).ListenPacket(context.Background(), network, address)
		return err
	})
	return c, err
}

// networks makes slots, by a pool where the machine's network is this process's to
// change.
type networks struct {
	pool *network.Pool // nil: only lonely ones
}

func openNetworks(o network.Options) (*networks, error) {
	err := onLostThread(func() error {
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
	})
	if errors.Is(err, unix.EPERM) {
		return &networks{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network namespaces: %w", err)
	}
	pool, err := network.Open(o)
	if err != nil {
		return nil, err
	}
	return &networks{pool: pool}, nil
}

func (n *networks) take(ctx context.Context, egress bool) (slot, error) {
	if n.pool == nil {
		s, err := newLonelySlot()
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := n.pool.Take(ctx, egress)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (n *networks) release(s slot) error {
	if lonely, ok := s.(*lonelySlot); ok {
		return lonely.namespace.Close()
	}
	n.pool.Release(s.(*network.Slot))
	return nil
}

func (n *networks) gaps() []string {
	if n.pool == nil {
		return []string{"functions have no way to the outside, only to Wick: run wick as root"}
	}
	return n.pool.Gaps()
}

func (n *networks) close() error {
	if n.pool == nil {
		return nil
	}
	return n.pool.Close()
}
