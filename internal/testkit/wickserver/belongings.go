package wickserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Belongings is what a running server has on the machine outside its data directory.
type Belongings struct {
	dataDir string
	procs   map[int]string // descendants: pid → start time, so that a reused pid is no leftover
	cgroups map[string]bool
}

// Belongings looks at the server's descendants and the cgroups they are in.
func (s *Server) Belongings() (Belongings, error) {
	b := Belongings{dataDir: s.DataDir, procs: map[int]string{}, cgroups: map[string]bool{}}
	children := map[int][]int{}
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return b, err
	}
	for _, path := range entries {
		if pid, parent, _, ok := readStat(path); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	own := cgroupsOf(s.cmd.Process.Pid)
	var walk func(int)
	walk = func(pid int) {
		for _, child := range children[pid] {
			if _, _, started, ok := readStat(fmt.Sprintf("/proc/%d/stat", child)); ok {
				b.procs[child] = started
			}
			for cgroup := range cgroupsOf(child) {
				if !own[cgroup] {
					b.cgroups[cgroup] = true
				}
			}
			walk(child)
		}
	}
	walk(s.cmd.Process.Pid)
	return b, nil
}

// Left returns, of a server that has ended, everything that is still there.
func (b Belongings) Left() error {
	left := []error{b.LeftSandboxes()}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, b.dataDir) {
			left = append(left, fmt.Errorf("a mount is still there: %s", line))
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return err
	}
	for _, path := range loops {
		if file, err := os.ReadFile(path); err == nil && strings.Contains(string(file), b.dataDir) {
			left = append(left, fmt.Errorf("a loop device is still there: %s", file))
		}
	}
	return errors.Join(left...)
}

// LeftSandboxes is Left for what can't belong to another server on the same data
// directory: processes and cgroups.
func (b Belongings) LeftSandboxes() error {
	var left []error
	for pid, started := range b.procs {
		path := fmt.Sprintf("/proc/%d/", pid)
		if _, _, now, ok := readStat(path + "stat"); ok && now == started {
			args, _ := os.ReadFile(path + "cmdline") // it may end while we look; its pid says enough
			left = append(left, fmt.Errorf("process %d of a sandbox is still there: %q", pid, bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
		}
	}
	for cgroup := range b.cgroups {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"} {
			if _, err := os.Stat(filepath.Join(root, cgroup)); err == nil {
				left = append(left, fmt.Errorf("cgroup %s is still there", filepath.Join(root, cgroup)))
			}
		}
	}
	return errors.Join(left...)
}

// readStat reads a /proc/PID/stat; ok is false when the process is gone, or dead and only
// not yet waited for by whoever inherited it.
func readStat(path string) (pid, parent int, started string, ok bool) {
	data, err := os.ReadFile(path) //nolint:gosec // a file of /proc
	if err != nil {
		return 0, 0, "", false
	}
	// The name, in parentheses, may hold anything: fields are counted behind it.
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, 0, "", false
	}
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		return 0, 0, "", false
	}
	if _, err := fmt.Sscan(fields[1], &parent); err != nil {
		return 0, 0, "", false
	}
	return pid, parent, fields[19], true
}

// cgroupsOf returns the cgroup paths a process is in.
func cgroupsOf(pid int) map[string]bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil // it is gone
	}
	paths := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if parts := strings.SplitN(lines.Text(), ":", 3); len(parts) == 3 {
			paths[parts[2]] = true
		}
	}
	return paths
}
