package endurance

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/client"
)

// census is how many of each kind of thing a server has at a moment.
type census map[string]int

// What a census counts. What is exact must be the same before and after; threads and
// connections to the database need not be: they are pooled, and kept once needed.
const (
	goroutines = "goroutines"
	files      = "open files, not of the database"
	processes  = "processes below the server"
	mounts     = "mounts in the server's namespace"
	cgroups    = "control groups, all hierarchies"
	netns      = "network namespaces"
	devices    = "network devices of the host"
	loops      = "loop devices"
	disk       = "files in the data directory"
	threads    = "threads of the server"
	database   = "open files of the database"
)

var exact = []string{goroutines, files, processes, mounts, cgroups, netns, devices, loops, disk}

// differs names what of the exact things two censuses don't have the same number of, and
// which files they are.
func (c census) differs(other census) []string {
	var different []string
	for _, what := range exact {
		if c[what] != other[what] {
			different = append(different, what)
		}
	}
	if slices.Contains(different, files) {
		for what := range other {
			if strings.HasPrefix(what, "of these: ") && c[what] != other[what] {
				different = append(different, what)
			}
		}
	}
	return different
}

// count counts what the server has, by asking it for its goroutines and the kernel for
// the rest.
func (s *server) count(t *testing.T) census {
	t.Helper()
	var health client.Health
	s.get(t, "/_wick/health", &health)
	c := outside(t, s.DataDir, health.PID)
	c[goroutines] = health.Goroutines
	return c
}

// outside counts what the kernel knows of the server with a data directory and a process
// ID, which may have ended: of things of the machine, those that carry its name.
func outside(t *testing.T, dataDir string, pid int) census {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	below := descendants(t, pid)
	c := census{
		threads: entries(proc + "task"), processes: len(below),
		mounts: lines(proc + "mountinfo"),
		netns:  namespaces(append(below, pid), proc+"fd"),
		loops:  loopsOf(dataDir),
	}
	id := driverID(dataDir)
	for file, n := range openFiles(proc + "fd") {
		if strings.Contains(file, "/wick.db") {
			c[database] += n
			continue
		}
		c[files] += n
		c["of these: "+file] = n
	}
	for _, root := range []string{"/sys/fs/cgroup/*/wick-" + id, "/sys/fs/cgroup/wick-" + id, "/sys/fs/cgroup/*/*/wick-" + id} {
		found, _ := filepath.Glob(root) // the pattern is well-formed
		for _, dir := range found {
			c[cgroups] += walk(dir, func(e fs.DirEntry) bool { return e.IsDir() })
		}
	}
	links, _ := filepath.Glob("/sys/class/net/wk" + id + "-*") // the pattern is well-formed
	c[devices] = len(links)
	// The database makes and folds its files as it pleases.
	// ahead.json is of what was booted ahead when it was last looked at, if anything was.
	c[disk] = walk(dataDir, func(e fs.DirEntry) bool {
		return !e.IsDir() && !strings.HasPrefix(e.Name(), "wick.db") && !strings.HasPrefix(e.Name(), "ahead.json")
	})
	return c
}

// walk counts what is at and below a folder, on its file system, and what counts.
func walk(dir string, counts func(fs.DirEntry) bool) int {
	n := 0
	// What can't be entered is gone.
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && counts(e) {
			n++
		}
		return nil
	})
	return n
}

// entries is how many entries a folder has; one that is gone has none.
func entries(dir string) int {
	all, _ := os.ReadDir(dir)
	return len(all)
}

// openFiles is how many open files there are of each name, without the kernel's numbers.
func openFiles(fds string) map[string]int {
	n := map[string]int{}
	all, _ := os.ReadDir(fds) // gone with its process
	for _, e := range all {
		if file, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil {
			kind, _, _ := strings.Cut(file, ":[")
			n[kind]++
		}
	}
	return n
}

func lines(path string) int {
	text, _ := os.ReadFile(path) // one that is gone has none
	return bytes.Count(text, []byte("\n"))
}

// descendants returns the processes below one, dead ones that nobody waited for included.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent …, and the name may have anything in it.
		after := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		child, err1 := strconv.Atoi(strings.Split(path, "/")[2])
		parent, err2 := strconv.Atoi(after[1])
		if err := cmp.Or(err1, err2); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		children[parent] = append(children[parent], child)
	}
	all := slices.Clone(children[pid])
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// namespaces is how many network namespaces processes are in or hold by a file in fds.
func namespaces(pids []int, fds string) int {
	distinct := map[string]bool{}
	for _, pid := range pids {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil {
			distinct[ns] = true
		}
	}
	held, _ := os.ReadDir(fds) // gone with its process
	for _, e := range held {
		if ns, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && strings.HasPrefix(ns, "net:[") {
			distinct[ns] = true
		}
	}
	return len(distinct)
}

// loopsOf is how many loop devices have an image below a folder, deleted images included.
func loopsOf(dir string) int {
	n := 0
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file") // the pattern is well-formed
	for _, path := range backing {
		if file, err := os.ReadFile(path); err == nil && strings.Contains(string(file), dir) {
			n++
		}
	}
	return n
}

// memory is what one process has: in all, and by itself alone.
type memory struct{ rss, private int64 }

// memoryOf reads it. The proportional share isn't told: it depends on how many others
// there are.
func memoryOf(pid int) (m memory) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // none when it has ended
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kB, _ := strconv.ParseInt(fields[1], 10, 64) // the header has none
		switch fields[0] {
		case "Rss:":
			m.rss += kB << 10
		case "Private_Clean:", "Private_Dirty:":
			m.private += kB << 10
		}
	}
	return m
}
