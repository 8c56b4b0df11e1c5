package leak

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// kernel notes what the kernel has for this process and by the marks. What can't be read
// isn't there: it went away meanwhile, or this kernel doesn't have it.
func (s *Snapshot) kernel() {
	s.files()
	s.children()
	s.mountsAndGroups()
	s.devices()
}

func (s *Snapshot) files() {
	const dir = "/proc/self/fd"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil { // the one this list was read through
			continue
		}
		switch to {
		case "anon_inode:[eventpoll]", "anon_inode:[eventfd]": // the runtime's poller
			continue
		}
		s.add("open file", e.Name()+" "+to, "")
	}
}

// children notes the processes below this one, and those with a mark in their command.
func (s *Snapshot) children() {
	type process struct{ parent, what string }
	all := map[string]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state parent …, and the name may have anything in it.
		end := bytes.LastIndexByte(stat, ')')
		fields := strings.Fields(string(stat[end+1:]))
		if end < 0 || len(fields) < 2 {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		all[e.Name()] = process{fields[1], fmt.Sprintf(" (state %s) %s", fields[0], bytes.ReplaceAll(line, []byte{0}, []byte{' '}))}
	}
	self := strconv.Itoa(os.Getpid())
	for pid := range all {
		if pid != self && s.marked(all[pid].what) {
			s.add("process", pid, all[pid].what)
		}
		for up := all[pid].parent; ; up = all[up].parent {
			if up == self {
				s.add("process", pid, all[pid].what)
			}
			if _, ok := all[up]; !ok || up == self {
				break
			}
		}
	}
}

func (s *Snapshot) mountsAndGroups() {
	mounts, _ := mountinfo.GetMounts(nil)
	for _, m := range mounts {
		if s.marked(m.Mountpoint) || s.marked(m.Source) {
			s.add("mount", m.Mountpoint, fmt.Sprintf(" (%s of %s)", m.FSType, m.Source))
		}
		if len(s.marks) == 0 || (m.FSType != "cgroup" && m.FSType != "cgroup2") {
			continue
		}
		// What the walk can't enter is gone.
		_ = filepath.WalkDir(m.Mountpoint, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir
			}
			if e.IsDir() && s.marked(path) {
				s.add("control group", path, "")
			}
			return nil
		})
	}
}

func (s *Snapshot) devices() {
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, path := range loops {
		file, err := os.ReadFile(path)
		if err == nil && s.marked(string(file)) {
			s.add("loop device", strings.Split(path, "/")[3], " of "+strings.TrimSpace(string(file)))
		}
	}
	for kind, pattern := range map[string]string{
		"network device": "/sys/class/net/*", "network namespace": "/run/netns/*",
	} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if name = filepath.Base(name); s.marked(name) {
				s.add(kind, name, "")
			}
		}
	}
}
