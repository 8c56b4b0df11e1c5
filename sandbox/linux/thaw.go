//go:build linux

package linux

import (
	"os"

	"golang.org/x/sys/unix"
)

// prepareThaw makes sure that a frozen sandbox ends with its server. When the first
// process ends, the kernel kills all others; but in cgroup version 1 a frozen process
// doesn't die. So the first process, which isn't in the cgroup, thaws them at its end.
// launching is locked.
func (s *Sandbox) prepareThaw() error {
	path, needed := s.group.ThawFile()
	if s.thawing || !needed {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	k := &script{}
	const fileState file = 1
	k.call("thaw", unix.SYS_WRITE, fileState, "THAWED", len("THAWED"))
	if err := s.control.run(requestLast, k, nil, f); err != nil {
		return err
	}
	s.thawing = true
	return nil
}
