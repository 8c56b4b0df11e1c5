//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// prepareThaw makes sure that a frozen sandbox ends with its server. When the first
// process ends, the kernel kills all others; but in cgroup version 1 a frozen process
// doesn't die. So the first process, which isn't in the cgroup, thaws them at its end.
// launching is locked.
func (s *Sandbox) prepareThaw() error {
	if s.thawing || s.driver.cgroups.Version() != 1 {
		return nil
	}
	path, err := s.freezerState()
	if err != nil || path == "" {
		return err
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

// freezerState is the file that the sandbox is frozen by; "" when no process is in it.
func (s *Sandbox) freezerState() (string, error) {
	pids, err := s.group.PIDs()
	if err != nil {
		return "", err
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			field := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(field) == 3 && field[1] == "freezer" {
				return s.driver.freezerPath(field[2])
			}
		}
	}
	return "", nil
}

// freezerPath finds a group of the freezer's hierarchy among the files of the host.
func (d *Driver) freezerPath(group string) (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup"))
	if err != nil {
		return "", err
	}
	for _, m := range mounts {
		for option := range strings.SplitSeq(m.VFSOptions, ",") {
			if option != "freezer" {
				continue
			}
			path := filepath.Join(m.Mountpoint, strings.TrimPrefix(group, strings.TrimSuffix(m.Root, "/")), "freezer.state")
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("the freezer group %s is not among the mounts", group)
}
