//go:build !linux

package process

import (
	"errors"
	"syscall"

	"github.com/wick-run/wick/sandbox"
)

// Only Linux has a signal for the parent's death.
func lockThread()                        {}
func dieWithParent(*syscall.SysProcAttr) {}

// signalAll signals the process groups of procs and says how many there are.
func signalAll(procs []*proc, _ string, sig syscall.Signal) (int, error) {
	alive := 0
	for _, p := range procs {
		if alone(p) {
			continue
		}
		alive++
		// A group of zombies may be refused (EPERM, on macOS); it has nobody to signal.
		if err := kill(-p.os.Pid, sig); err != nil && !errors.Is(err, syscall.EPERM) {
			return alive, err
		}
	}
	return alive, nil
}

// alone says whether the process group of p is gone, or is but zombies.
func alone(p *proc) bool { return syscall.Kill(-p.os.Pid, 0) != nil }

// measure has CPU time of what has ended alone.
func measure(procs []*proc) (sandbox.Usage, error) {
	var u sandbox.Usage
	for _, p := range procs {
		select {
		case <-p.done:
			u.CPU += p.cpu
		default:
			u.Processes++
		}
	}
	return u, nil
}
