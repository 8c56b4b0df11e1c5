//go:build linux

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// process is a command that was started.
type process struct {
	sandbox  *Sandbox
	oomKills atomic.Int64 // of the sandbox, when it was started
	done     chan struct{}
	exit     sandbox.Exit // to be read when done is closed

	mu    sync.Mutex // guards what follows
	pid   int
	pidfd int // -1 when there is none, or no longer
	over  bool
}

func newProcess(s *Sandbox) *process {
	p := &process{sandbox: s, done: make(chan struct{}), pidfd: -1}
	p.count()
	return p
}

// count notes how often the memory limit has ended something so far.
func (p *process) count() {
	n, err := p.sandbox.group.OOMKills()
	if err == nil { // else nobody counts, now or later
		p.oomKills.Store(n)
	}
}

// PID implements sandbox.Process.
func (p *process) PID() int { return p.pid }

// Done implements sandbox.Process.
func (p *process) Done() <-chan struct{} { return p.done }

// Exit implements sandbox.Process.
func (p *process) Exit() sandbox.Exit { return p.exit }

// Signal implements sandbox.Process. A process that has ended gives
// [os.ErrProcessDone].
func (p *process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.pidfd < 0 {
		return os.ErrProcessDone
	}
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// started takes the descriptor the process is known by on the host.
func (p *process) started(pidfd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		unix.Close(pidfd)
		return errLost
	}
	p.pidfd = pidfd
	pid, err := pidOf(pidfd)
	if err != nil {
		return err
	}
	p.pid = pid
	return nil
}

// ended records how the process ended.
func (p *process) ended(status unix.WaitStatus) {
	p.exit = sandbox.Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		p.exit.Code, p.exit.Signal = -1, status.Signal()
	}
	if n, err := p.sandbox.group.OOMKills(); err == nil {
		p.exit.OOM = n > p.oomKills.Load()
	}
	p.mu.Lock()
	p.over = true
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
		p.pidfd = -1
	}
	p.mu.Unlock()
	close(p.done)
}

// pidOf is the pid, here, of the process a descriptor refers to.
func pidOf(pidfd int) (int, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(info) {
		if text, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
			if err == nil && pid <= 0 {
				err = errLost
			}
			return pid, err
		}
	}
	return 0, errors.New("the kernel doesn't say which process a pidfd refers to")
}
