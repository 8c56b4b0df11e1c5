//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// child is a process in a sandbox that waits to become a command. It is the first
// process's child, in the sandbox's control group, and still without a limit of its
// own; it ends when its conversation does.
type child struct {
	process *process
	report  *net.UnixConn
}

// newChild makes one. launching is held for reading, so that nobody ends it before its
// pid has served: from inside the sandbox it can't be.
func (s *Sandbox) newChild() (*child, error) {
	report, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	p := newProcess(s)
	err = func() error {
		r, err := s.control.send(message{kind: requestStart}, p, theirs)
		if err != nil {
			return err
		}
		m, err := r.wait()
		if err != nil {
			return err
		}
		if m.b != 0 {
			return fmt.Errorf("make a process: %w", unix.Errno(m.b))
		}
		if err := p.started(r.pidfd); err != nil {
			return err
		}
		// This is what takes time: to move a process, the kernel waits until no CPU is
		// in the middle of a fork, often for milliseconds.
		if err := s.group.AddPID(p.pid); err != nil {
			return err
		}
		// Written with the server's privileges it is the least the process can set itself.
		path := "/proc/" + strconv.Itoa(p.pid) + "/oom_score_adj"
		return os.WriteFile(path, []byte(s.driver.oomScore), 0)
	}()
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, report.Close())
	}
	return &child{p, report}, nil
}

// letGo passes a child what it is to run.
func (s *Sandbox) letGo(m message, files []*os.File) (*child, error) {
	spare := s.takeSpare() // before launching is held: making one holds it too
	s.launching.RLock()
	defer s.launching.RUnlock()
	if s.stopped {
		return nil, errors.Join(errors.New("the sandbox is frozen"), spare.close())
	}
	if spare != nil {
		spare.process.count()
		if err := sendFiles(spare.report, m, files); err == nil {
			return spare, nil
		}
		// It has ended, by the memory limit for instance.
		if err := spare.close(); err != nil {
			return nil, err
		}
	}
	c, err := s.newChild()
	if err != nil {
		return nil, err
	}
	if err := sendFiles(c.report, m, files); err != nil {
		return nil, errors.Join(fmt.Errorf("tell a process what to run: %w", err), c.close())
	}
	return c, nil
}

// close gives a child up that was told nothing.
func (c *child) close() error {
	if c == nil {
		return nil
	}
	return c.report.Close()
}

// spares are children made ahead: one at most.
type spares struct {
	mu     sync.Mutex // held while one is made or taken; launching may be locked after it
	closed bool       // guarded by mu
	making sync.WaitGroup
	child  atomic.Pointer[child] // stored with mu held
}

// prepare makes a spare child in the background, so that the next Start needs only to
// tell it what to run. It does so where that saves time and where a function, being
// another user, can't touch it.
func (s *Sandbox) prepare() {
	if s.driver.cgroups.Version() == 0 || !s.driver.ids.separate() {
		return
	}
	s.spares.mu.Lock() // until it is made: a Start waits for it
	if s.spares.closed {
		s.spares.mu.Unlock()
		return
	}
	s.spares.making.Go(func() {
		defer s.spares.mu.Unlock()
		s.launching.RLock()
		defer s.launching.RUnlock()
		c, err := s.newChild()
		if err != nil {
			return // Start tries itself, and has the error if it stays
		}
		if old := s.spares.child.Swap(c); old != nil {
			old.report.Close() // it has been killed; there is nothing to lose
		}
	})
}

// takeSpare returns the spare child, after waiting for one that is being made; nil when
// there is none.
func (s *Sandbox) takeSpare() *child {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	return s.spares.child.Swap(nil)
}

// endSpares gives up the spare child; there will be none again.
func (s *Sandbox) endSpares() error {
	s.spares.mu.Lock()
	s.spares.closed = true
	s.spares.mu.Unlock()
	s.spares.making.Wait()
	return s.takeSpare().close()
}

// count is how many spare children there are, which nobody but the driver knows of.
func (s *spares) count() int {
	c := s.child.Load()
	if c == nil {
		return 0
	}
	select {
	case <-c.process.done:
		return 0
	default:
		return 1
	}
}

// socketPair makes a pair of connected sockets that keep messages apart: one to talk
// by here, one to give away.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	near := os.NewFile(uintptr(fds[0]), "wick-socket")
	defer near.Close()
	theirs = os.NewFile(uintptr(fds[1]), "wick-socket")
	// Only the end that is waited on here is to be non-blocking.
	if err := unix.SetNonblock(fds[1], false); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), theirs.Close())
	}
	conn, err := net.FileConn(near)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// sendFiles sends a message with descriptors.
func sendFiles(conn *net.UnixConn, m message, files []*os.File) error {
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	_, _, err := conn.WriteMsgUnix(m.encode(), oob, nil)
	runtime.KeepAlive(files)
	return err
}
