//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// v2Controllers are the controllers of version 2 in use.
var v2Controllers = []string{"memory", "cpu", "pids"}

// v2 is a tree in the one hierarchy of version 2.
type v2 struct {
	parent string // the folder "wick-ID"
	place  place
	has    []string // the controllers that groups have
	gap    []string
}

// newV2 finds the place for the tree's folder: this process's own group when nobody
// else is in it and it can be delegated from, else the nearest group above with all the
// controllers, else the one with the most.
func newV2(on machine, own, top, name string) (hierarchy, error) {
	var best place
	var failed error
	for dir := own; within(dir, top); dir = filepath.Dir(dir) {
		p, err := on.delegate(dir, top, name)
		if err != nil {
			failed = err
			continue
		}
		if best.dir != "" && len(p.has) <= len(best.has) {
			failed = errors.Join(failed, p.undo(name))
			continue
		}
		if best.dir != "" {
			failed = errors.Join(failed, best.undo(name))
		}
		best = p
		if len(p.has) == len(on.v2) {
			break
		}
	}
	if best.dir == "" {
		return none{failed}, nil
	}
	h := &v2{parent: filepath.Join(best.dir, name), place: best, has: best.has}
	for _, c := range on.v2 {
		if !slices.Contains(h.has, c) {
			h.gap = append(h.gap, gapOf(c)+"; under systemd, run wick as a service with Delegate=yes")
		}
	}
	if slices.Contains(h.has, "cpu") && exists(h.parent, "cpu.weight") {
		if err := writeFile(h.parent, "cpu.weight", weightText(treeWeight(), usualWeight)); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return h, nil
}

// place is a group that the tree's folder was made in.
type place struct {
	dir     string
	has     []string // controllers that groups below the tree's folder have
	enabled []string // those of them that were not on in dir before
	moved   []int    // processes moved out of dir, to its leaf
}

// leafOf is where processes go that stand in the way of delegation.
func leafOf(dir, name string) string { return filepath.Join(dir, name+"-server") }

// delegate makes the tree's folder in dir and turns on for it what controllers it can.
// A group with processes of its own can't hand out controllers (but for the root of the
// machine), so when this process is alone in it, or there is no group above to go to
// as in a container, those in it move to a leaf beside.
func (on machine) delegate(dir, top, name string) (place, error) {
	p := place{dir: dir}
	folder := filepath.Join(dir, name)
	if err := mkdirShared(folder); err != nil {
		return p, err
	}
	fail := func(err error) (place, error) { return p, errors.Join(err, p.undo(name)) }
	offered, err := readFile(dir, "cgroup.controllers")
	if err != nil {
		return fail(err)
	}
	already, err := readFile(dir, "cgroup.subtree_control")
	if err != nil {
		return fail(err)
	}
	for _, c := range on.v2 {
		if !slices.Contains(strings.Fields(offered), c) {
			continue
		}
		if !slices.Contains(strings.Fields(already), c) {
			err := writeFile(dir, "cgroup.subtree_control", "+"+c)
			if errors.Is(err, unix.EBUSY) {
				if p.moved, err = clearOut(dir, top, name); err == nil {
					err = writeFile(dir, "cgroup.subtree_control", "+"+c)
				}
			}
			if err != nil {
				continue // seen in p.has
			}
			p.enabled = append(p.enabled, c)
		}
		if err := writeFile(folder, "cgroup.subtree_control", "+"+c); err != nil {
			continue // seen in p.has
		}
		p.has = append(p.has, c)
	}
	return p, nil
}

// clearOut moves the processes in dir to a leaf, where that is ours to do.
func clearOut(dir, top, name string) ([]int, error) {
	pids, err := readPIDs(dir)
	if err != nil {
		return nil, err
	}
	alone := len(pids) == 1 && pids[0] == os.Getpid()
	if !alone && dir != top {
		return nil, unix.EBUSY
	}
	leaf := leafOf(dir, name)
	if err := mkdirShared(leaf); err != nil {
		return nil, err
	}
	var moved []int
	for _, pid := range pids {
		if pid == 0 { // of a namespace this one can't see
			continue
		}
		err := writeFile(leaf, "cgroup.procs", strconv.Itoa(pid))
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return moved, err
		}
		moved = append(moved, pid)
	}
	return moved, nil
}

// undo takes back what delegate did.
func (p place) undo(name string) error {
	errs := []error{removeFolder(filepath.Join(p.dir, name))}
	for _, c := range p.enabled {
		err := writeFile(p.dir, "cgroup.subtree_control", "-"+c)
		// Someone else's group beside may use it by now; then it is theirs.
		if err != nil && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, err)
		}
	}
	leaf := leafOf(p.dir, name)
	pids, err := readPIDs(leaf)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errs...)
	}
	for _, pid := range pids {
		err := writeFile(p.dir, "cgroup.procs", strconv.Itoa(pid))
		if errors.Is(err, unix.EBUSY) { // controllers are still on: they stay in the leaf
			return errors.Join(errs...)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, removeFolder(leaf))...)
}

func (h *v2) version() int                 { return 2 }
func (h *v2) folders() []string            { return []string{h.parent} }
func (h *v2) gaps() []string               { return slices.Clone(h.gap) }
func (h *v2) leftovers() ([]string, error) { return subfolders(h.parent) }
func (h *v2) announce()                    {} // processes begin in their group
func (h *v2) close() error                 { return h.place.undo(filepath.Base(h.parent)) }

func (h *v2) make(name string) (member, error) {
	dir := filepath.Join(h.parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	m, err := h.open(name)
	if err != nil {
		return nil, errors.Join(err, removeFolder(dir))
	}
	if err := m.weigh(sandbox.UsualWeight); err != nil {
		return nil, errors.Join(err, m.release(), removeFolder(dir))
	}
	return m, nil
}

func (h *v2) open(name string) (member, error) {
	m := &v2Group{h: h, dir: filepath.Join(h.parent, name)}
	if err := m.open(); err != nil {
		return nil, errors.Join(err, m.release())
	}
	return m, nil
}

// v2Group is a group of version 2.
type v2Group struct {
	h   *v2
	dir string
	// noReset says that the peak can't be set back, as it can since Linux 6.12: found out
	// by the first try.
	noReset atomic.Bool

	// What every invocation reads or writes. peak is a descriptor the kernel keeps a
	// mark of its own for, from the first time it is set back.
	folder, state, events, current, peak, cpu file
}

func (m *v2Group) has(controller string) bool { return slices.Contains(m.h.has, controller) }

func (m *v2Group) open() error {
	var err error
	open := func(to *file, name string, flag int) {
		if err != nil {
			return
		}
		var f file
		if f, err = openFile(filepath.Join(m.dir, name), flag); err == nil {
			*to = f
		}
	}
	open(&m.folder, "", unix.O_RDONLY|unix.O_DIRECTORY)
	open(&m.events, "cgroup.events", unix.O_RDONLY)
	open(&m.cpu, "cpu.stat", unix.O_RDONLY) // there without the controller too
	if err != nil {
		return err
	}
	if exists(m.dir, "cgroup.freeze") { // Linux 5.2
		open(&m.state, "cgroup.freeze", unix.O_RDWR)
	}
	if m.has("memory") {
		open(&m.current, "memory.current", unix.O_RDONLY)
		if exists(m.dir, "memory.peak") { // Linux 5.19
			flag := unix.O_RDWR
			if unix.Access(filepath.Join(m.dir, "memory.peak"), unix.W_OK) != nil {
				flag = unix.O_RDONLY
			}
			open(&m.peak, "memory.peak", flag)
		}
	}
	return err
}

func (m *v2Group) release() error {
	var errs []error
	for _, f := range []*file{&m.folder, &m.state, &m.events, &m.current, &m.peak, &m.cpu} {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

func (m *v2Group) remove() error { return removeFolder(m.dir) }

func (m *v2Group) addPID(pid int) error {
	return writeFile(m.dir, "cgroup.procs", strconv.Itoa(pid))
}

func (m *v2Group) cloneFD() (int, bool) { return int(m.folder.f.Fd()), true }

func (m *v2Group) pids() ([]int, error) { return readPIDs(m.dir) }

// kill works on frozen processes too (Linux 5.14).
func (m *v2Group) kill() (bool, error) {
	err := writeFile(m.dir, "cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) { // or the group is, which reading its processes will tell
		return false, nil
	}
	return err == nil, err
}

func (m *v2Group) weigh(weight int) error {
	if !m.has("cpu") || !exists(m.dir, "cpu.weight") {
		return nil
	}
	return writeFile(m.dir, "cpu.weight", weightText(weight, groupWeight))
}

// Weights of version 2 go from 1 to 10,000. What is usual is 100, which groups below one
// of ours, being among themselves, needn't mind: theirs is more, to be a fraction of.
const (
	usualWeight = 100
	groupWeight = 2_500
)

// weightText returns a weight as version 2 has it, where that of a usual one is given.
func weightText(weight, usual int) string {
	return strconv.Itoa(min(max(weight*usual/sandbox.UsualWeight, 1), 10_000))
}

func (m *v2Group) limit(old *sandbox.Limits, l sandbox.Limits) error {
	if m.has("memory") && (old == nil || old.MemoryBytes != l.MemoryBytes) {
		if err := m.limitMemory(old == nil, l.MemoryBytes); err != nil {
			return err
		}
	}
	if m.has("cpu") && (old == nil || old.CPUMilli != l.CPUMilli) {
		quota, period := cpuQuota(l.CPUMilli)
		if err := writeFile(m.dir, "cpu.max", fmt.Sprintf("%s %d", numberOr(quota, "max"), period)); err != nil {
			return err
		}
	}
	if m.has("pids") && (old == nil || old.Processes != l.Processes) {
		return writeFile(m.dir, "pids.max", numberOr(l.Processes, "max"))
	}
	return nil
}

func (m *v2Group) limitMemory(first bool, limit int64) error {
	if first {
		// Neither is there on every kernel: swap may be compiled out, oom.group is 4.19.
		for _, s := range []struct{ name, value string }{{"memory.swap.max", "0"}, {"memory.oom.group", "1"}} {
			if err := writeFile(m.dir, s.name, s.value); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return writeFile(m.dir, "memory.max", numberOr(int(limit), "max"))
}

func (m *v2Group) canFreeze() bool { return m.state.f != nil }

// thawFile: in version 2 a frozen process dies like another.
func (m *v2Group) thawFile() (string, bool) { return "", false }

func (m *v2Group) freeze(frozen bool) error {
	if frozen {
		return m.state.write("1")
	}
	return m.state.write("0")
}

func (m *v2Group) stands() (bool, error) {
	var buf [128]byte
	text, err := m.events.read(buf[:])
	return field(text, "frozen") == 1, err
}

// wait polls cgroup.events, which the kernel marks when it changes since it was last read.
func (m *v2Group) wait(d time.Duration) {
	wait := unix.NsecToTimespec(int64(d))
	fds := []unix.PollFd{{Fd: int32(m.events.f.Fd()), Events: unix.POLLPRI}}
	// Whatever it says, the caller looks again.
	_, _ = unix.Ppoll(fds, &wait, nil)
}

func (m *v2Group) usage() (sandbox.Usage, error) {
	var u sandbox.Usage
	if m.has("memory") {
		all, err := m.current.number()
		if err != nil {
			return u, err
		}
		text, err := os.ReadFile(filepath.Join(m.dir, "memory.stat"))
		if err != nil {
			return u, err
		}
		u.MemoryBytes = max(all-field(text, "inactive_file"), 0)
		if u.PeakMemoryBytes, err = m.peakBytes(); err != nil {
			return u, err
		}
		if u.OOMKills, err = m.oomKills(); err != nil {
			return u, err
		}
	}
	var buf [1024]byte
	text, err := m.cpu.read(buf[:])
	if err != nil {
		return u, err
	}
	u.CPU = time.Duration(field(text, "usage_usec")) * time.Microsecond
	if m.has("pids") {
		text, err := readFile(m.dir, "pids.current")
		if err != nil {
			return u, err
		}
		u.Processes, err = strconv.Atoi(text)
		return u, err
	}
	pids, err := m.pids()
	u.Processes = len(pids)
	return u, err
}

func (m *v2Group) peakBytes() (int64, error) {
	if m.peak.f == nil || m.noReset.Load() {
		return 0, nil
	}
	return m.peak.number()
}

// resetPeak: from the first time it fails on, the kernel's mark is no longer one since
// the last reset, and isn't used.
func (m *v2Group) resetPeak() error {
	if m.peak.f == nil || m.noReset.Load() {
		return nil
	}
	if m.peak.write("0") != nil {
		m.noReset.Store(true)
	}
	return nil
}

func (m *v2Group) oomKills() (int64, error) {
	if !m.has("memory") {
		return 0, nil
	}
	text, err := readFile(m.dir, "memory.events")
	if err != nil {
		return 0, err
	}
	return field([]byte(text), "oom_kill"), nil // which kernels count since 4.13
}
