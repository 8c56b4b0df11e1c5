//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/linux/cgroup"
	"github.com/wick-run/wick/sandbox/linux/disk"
)

// Sandbox is one sandbox. It implements sandbox.Sandbox.
type Sandbox struct {
	driver   *Driver
	id       string
	hostname string
	slots    []string
	folders  []string // below slots

	// What it is made of. All of it is set by create and nil where that had not come to it.
	who     *identity
	frame   *frame
	group   *cgroup.Group
	disk    *disk.Disk
	slot    slot
	files   *procFiles
	first   *os.Process
	pidfd   int // of the first process
	control *control
	built   bool // the first process has run its script and serves

	// launching is held for reading while a process is made, for writing while all are
	// ended, stopped or let go on.
	launching sync.RWMutex
	stopped   bool // guarded by launching
	thawing   bool // the first process knows how to thaw; guarded by launching

	spares spares

	mu       sync.Mutex // guards what follows
	limits   sandbox.Limits
	attached map[string]bool
	peak     int64 // see processUsage

	close func() error
}

// ID implements sandbox.Sandbox.
func (s *Sandbox) ID() string { return s.id }

// Path implements sandbox.Sandbox: a path inside is what a process there uses.
func (s *Sandbox) Path(inside string) string { return inside }

// Attach implements sandbox.Sandbox. The slot's folder is that of the source as it is
// now: a mount made below it on the host later isn't seen.
func (s *Sandbox) Attach(m sandbox.Mount) error {
	target, err := inside(m.Target)
	if err != nil {
		return s.errorf("attach: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.slots, target) {
		return s.errorf("attach: %s is no slot", m.Target)
	}
	if s.pidfd < 0 {
		return s.errorf("attach: %w", errLost)
	}
	if s.attached[target] {
		return s.errorf("attach: something is attached at %s already", m.Target)
	}
	tree, err := cloneTree(m.Source)
	if err != nil {
		return s.errorf("attach at %s: %w", target, err)
	}
	defer unix.Close(tree)
	if err := s.driver.mounter.mount(s.pidfd, tree, target); err != nil {
		return s.errorf("attach at %s: %w", target, err)
	}
	s.attached[target] = true
	return nil
}

// Limit implements sandbox.Sandbox.
func (s *Sandbox) Limit(l sandbox.Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.group.Limit(l); err != nil {
		return s.errorf("limit: %w", err)
	}
	s.limits = l
	if err := s.files.write(l); err != nil {
		return s.errorf("limit: %w", err)
	}
	return nil
}

// Weigh implements sandbox.Sandbox.
func (s *Sandbox) Weigh(weight int) error {
	if err := s.group.Weigh(weight); err != nil {
		return s.errorf("weigh: %w", err)
	}
	return nil
}

func (s *Sandbox) processLimit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits.Processes
}

// Listen implements sandbox.Sandbox.
func (s *Sandbox) Listen(network, address string) (net.Listener, error) {
	l, err := s.slot.Listen(network, address)
	if err != nil {
		return nil, s.errorf("%w", err)
	}
	return l, nil
}

// ListenPacket implements sandbox.Sandbox.
func (s *Sandbox) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := s.slot.ListenPacket(network, address)
	if err != nil {
		return nil, s.errorf("%w", err)
	}
	return c, nil
}

// Start implements sandbox.Sandbox. What keeps the command from being run, such as a
// path that isn't there, is an error of Start. A frozen sandbox starts nothing.
func (s *Sandbox) Start(c sandbox.Command) (sandbox.Process, error) {
	p, err := s.start(c)
	if err != nil {
		return nil, s.errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// KillAll implements sandbox.Sandbox.
func (s *Sandbox) KillAll() error {
	if err := s.endAll(); err != nil {
		return s.errorf("end all processes: %w", err)
	}
	select {
	case <-s.control.lost:
		return s.errorf("end all processes: %w", errLost)
	default:
		s.prepare()
		return nil
	}
}

// endAll kills every process but the first and returns when they are gone.
func (s *Sandbox) endAll() error {
	s.launching.Lock()
	defer s.launching.Unlock()
	r, err := s.control.signal(unix.SIGKILL)
	if errors.Is(err, errLost) {
		return nil // and so are they
	}
	if err != nil {
		return err
	}
	// The signal comes first: a frozen process that is let go on dies at once.
	if err := s.group.Thaw(); err != nil {
		return err
	}
	s.stopped = false
	_, err = r.wait()
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// Freeze implements sandbox.Sandbox. Where there is no cgroup to do it, every process
// is stopped by a signal, which a parent process inside can notice.
func (s *Sandbox) Freeze() error {
	s.launching.Lock()
	defer s.launching.Unlock()
	if s.stopped {
		return nil
	}
	if !s.group.CanFreeze() {
		if err := s.signalAll(unix.SIGSTOP); err != nil {
			return s.errorf("freeze: %w", err)
		}
		s.stopped = true
		return nil
	}
	if err := s.prepareThaw(); err != nil {
		return s.errorf("freeze: %w", err)
	}
	if err := s.group.Freeze(); err != nil {
		return s.errorf("freeze: %w", err)
	}
	s.stopped = true
	return nil
}

// Thaw implements sandbox.Sandbox.
func (s *Sandbox) Thaw() error {
	s.launching.Lock()
	defer s.launching.Unlock()
	if !s.stopped {
		return nil
	}
	thaw := s.group.Thaw
	if !s.group.CanFreeze() {
		thaw = func() error { return s.signalAll(unix.SIGCONT) }
	}
	if err := thaw(); err != nil {
		return s.errorf("thaw: %w", err)
	}
	s.stopped = false
	return nil
}

func (s *Sandbox) signalAll(sig unix.Signal) error {
	r, err := s.control.signal(sig)
	if err != nil {
		return err
	}
	m, err := r.wait()
	if err == nil && m.b != 0 {
		err = unix.Errno(m.b)
	}
	return err
}

// Usage implements sandbox.Sandbox. Of the processes only the caller's are counted.
func (s *Sandbox) Usage() (sandbox.Usage, error) {
	select {
	case <-s.control.lost:
		return sandbox.Usage{}, s.errorf("usage: %w", errLost)
	default:
	}
	u, err := s.group.Usage()
	if errors.Is(err, errors.ErrUnsupported) {
		u, err = s.processUsage()
	}
	if err != nil {
		return sandbox.Usage{}, s.errorf("usage: %w", err)
	}
	u.Processes = max(u.Processes-s.spares.count(), 0)
	if u.TmpBytes, err = s.disk.Used(); err != nil {
		return sandbox.Usage{}, s.errorf("usage: %w", err)
	}
	return u, nil
}

// PeakMemory implements sandbox.Sandbox.
func (s *Sandbox) PeakMemory() (int64, error) {
	peak, err := s.group.Peak()
	if errors.Is(err, errors.ErrUnsupported) {
		u, err := s.Usage()
		return u.PeakMemoryBytes, err
	}
	if err != nil {
		return 0, s.errorf("peak memory: %w", err)
	}
	return peak, nil
}

// ResetPeak implements sandbox.Sandbox.
func (s *Sandbox) ResetPeak() error {
	err := s.group.ResetPeak()
	if errors.Is(err, errors.ErrUnsupported) {
		s.resetProcessPeak()
		return nil
	}
	if err != nil {
		return s.errorf("%w", err)
	}
	return nil
}

// Close implements sandbox.Sandbox.
func (s *Sandbox) Close() error { return s.close() }

// destroy ends and frees all there is of a sandbox, finished or not.
func (s *Sandbox) destroy() error {
	var errs []error
	if s.control != nil {
		if s.built {
			errs = append(errs, s.endAll())
		}
		errs = append(errs, s.endSpares())
		s.control.close()
	}
	if s.first != nil {
		// It ends when everybody in its namespace has.
		if _, err := s.first.Wait(); err != nil && !errors.Is(err, syscall.ECHILD) {
			errs = append(errs, err)
		}
		s.mu.Lock()
		errs = append(errs, unix.Close(s.pidfd))
		s.pidfd = -1
		s.mu.Unlock()
	}
	if s.group != nil {
		errs = append(errs, s.group.Remove())
	}
	if s.slot != nil {
		errs = append(errs, s.driver.network.release(s.slot))
	}
	if s.disk != nil {
		errs = append(errs, s.disk.Release())
	}
	if s.files != nil {
		errs = append(errs, s.files.remove())
	}
	if s.frame != nil {
		errs = append(errs, s.driver.frames.release(s.frame))
	}
	if s.who != nil {
		s.driver.ids.release(*s.who)
	}
	s.driver.forget(s)
	if err := errors.Join(errs...); err != nil {
		return s.errorf("close: %w", err)
	}
	return nil
}

func (s *Sandbox) errorf(format string, args ...any) error {
	return fmt.Errorf("sandbox %s: "+format, append([]any{s.id}, args...)...)
}
