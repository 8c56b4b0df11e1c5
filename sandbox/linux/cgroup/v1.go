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
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// v1Controllers are the controllers of version 1 in use. Several may share a
// hierarchy, most often cpu and cpuacct.
var v1Controllers = []string{"memory", "cpu", "cpuacct", "pids", "freezer"}

// v1 is a tree in the hierarchies of version 1.
type v1 struct {
	parent map[string]string // the folder "wick-ID" by controller
	dirs   []string          // the same, each once
	swap   bool              // memory+swap can be limited
	gap    []string

	self   string // tells which groups this process is in
	inSelf string // what it said when the folders were made there
}

func newV1(on machine, own map[string]string, name string) (hierarchy, error) {
	h := &v1{parent: map[string]string{}, self: on.self}
	if text, err := os.ReadFile(on.self); err == nil { // else nothing is announced
		h.inSelf = string(text)
	}
	var failed error
	for _, c := range v1Controllers {
		dir, ok := own[c]
		if !ok {
			h.gap = append(h.gap, gapOf(c))
			continue
		}
		dir = filepath.Join(dir, name)
		if !slices.Contains(h.dirs, dir) {
			if err := mkdirShared(dir); err != nil {
				failed = err
				h.gap = append(h.gap, fmt.Sprintf("%s; its control group can't be written to (%v): run wick as root", gapOf(c), err))
				continue
			}
			h.dirs = append(h.dirs, dir)
		}
		h.parent[c] = dir
	}
	if len(h.dirs) == 0 {
		return none{failed}, nil
	}
	if dir, ok := h.parent["memory"]; ok {
		h.swap = exists(dir, "memory.memsw.limit_in_bytes")
		if !h.swap && swapping() {
			h.gap = append(h.gap, "swap can't be limited, so a function may use more memory by swapping: boot with swapaccount=1, or have no swap")
		}
		if err := hierarchical(dir); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	if dir, ok := h.parent["cpu"]; ok && !exists(dir, "cpu.cfs_quota_us") {
		delete(h.parent, "cpu")
		h.gap = append(h.gap, gapOf("cpu")+" (CONFIG_CFS_BANDWIDTH)")
	}
	if dir, ok := h.parent["cpu"]; ok {
		if err := writeFile(dir, "cpu.shares", strconv.Itoa(treeWeight())); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return h, nil
}

// swapping says whether the machine has anything to swap to.
func swapping() bool {
	text, err := os.ReadFile("/proc/swaps")
	return err != nil || strings.Count(string(text), "\n") > 1 // below its heading
}

// hierarchical makes a group's memory count for the ones above it, which kernels before
// 5.11 don't by themselves.
func hierarchical(dir string) error {
	on, err := readFile(dir, "memory.use_hierarchy")
	if errors.Is(err, fs.ErrNotExist) || on == "1" {
		return nil
	}
	if err != nil {
		return err
	}
	return writeFile(dir, "memory.use_hierarchy", "1")
}

func exists(dir, name string) bool {
	return unix.Access(filepath.Join(dir, name), unix.F_OK) == nil
}

// gapOf says what a missing controller means.
func gapOf(controller string) string {
	switch controller {
	case "memory":
		return "no memory controller, so functions can use more memory than they have configured: boot the kernel with cgroup_enable=memory"
	case "cpu":
		return "no cpu controller, so functions can use more CPU than their memory gives them: mount it, or delegate it to wick"
	case "cpuacct":
		return "no cpuacct controller, so CPU time can't be measured: mount it"
	case "pids":
		return "no pids controller, so functions can start any number of processes: mount it, or delegate it to wick"
	default:
		return "no " + controller + " controller, so idle functions can't be frozen this way: mount it"
	}
}

func (h *v1) version() int      { return 1 }
func (h *v1) folders() []string { return slices.Clone(h.dirs) }
func (h *v1) gaps() []string    { return slices.Clone(h.gap) }

func (h *v1) leftovers() ([]string, error) {
	var all []string
	for _, dir := range h.dirs {
		names, err := subfolders(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

func (h *v1) close() error {
	var errs []error
	for _, dir := range h.dirs {
		errs = append(errs, removeFolder(dir))
	}
	return errors.Join(errs...)
}

// make makes a group's folders and opens what is kept open.
func (h *v1) make(name string) (member, error) {
	m := &v1Group{h: h, name: name}
	for _, dir := range h.dirs {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return nil, errors.Join(err, m.undo())
		}
		m.dirs = append(m.dirs, filepath.Join(dir, name))
	}
	if err := m.open(); err != nil {
		return nil, errors.Join(err, m.undo())
	}
	return m, nil
}

// open takes over a group that may lack folders.
func (h *v1) open(name string) (member, error) {
	m := &v1Group{h: h, name: name}
	for _, dir := range h.dirs {
		if err := mkdirShared(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
		m.dirs = append(m.dirs, filepath.Join(dir, name))
	}
	if err := m.open(); err != nil {
		return nil, errors.Join(err, m.release())
	}
	return m, nil
}

// announce puts this process where it is already, unless it isn't there any more. What
// counts is that the kernel has to wait for it.
func (h *v1) announce() {
	if text, err := os.ReadFile(h.self); err != nil || h.inSelf == "" || string(text) != h.inSelf {
		return
	}
	// Should it fail, the next one waits itself.
	_ = writeFile(filepath.Dir(h.dirs[0]), "cgroup.procs", strconv.Itoa(os.Getpid()))
}

// v1Group is a group of version 1.
type v1Group struct {
	h      *v1
	name   string
	dirs   []string // one per hierarchy
	period int      // of CFS, as last written; 0 is the kernel's own

	// What every invocation reads or writes.
	state, usageBytes, peak, stat, cpu, current file
}

func (m *v1Group) dir(controller string) (string, bool) {
	parent, ok := m.h.parent[controller]
	return filepath.Join(parent, m.name), ok
}

func (m *v1Group) open() error {
	for _, o := range []struct {
		to               *file
		controller, name string
		flag             int
	}{
		{&m.state, "freezer", "freezer.state", unix.O_RDWR},
		{&m.usageBytes, "memory", "memory.usage_in_bytes", unix.O_RDONLY},
		{&m.peak, "memory", "memory.max_usage_in_bytes", unix.O_RDWR},
		{&m.stat, "memory", "memory.stat", unix.O_RDONLY},
		{&m.cpu, "cpuacct", "cpuacct.usage", unix.O_RDONLY},
		{&m.current, "pids", "pids.current", unix.O_RDONLY},
	} {
		dir, ok := m.dir(o.controller)
		if !ok {
			continue
		}
		var err error
		if *o.to, err = openFile(filepath.Join(dir, o.name), o.flag); err != nil {
			return err
		}
	}
	return nil
}

// undo takes back a make that failed.
func (m *v1Group) undo() error { return errors.Join(m.release(), m.remove()) }

func (m *v1Group) release() error {
	var errs []error
	for _, f := range []*file{&m.state, &m.usageBytes, &m.peak, &m.stat, &m.cpu, &m.current} {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

func (m *v1Group) remove() error {
	for _, dir := range m.dirs {
		if err := removeFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

func (m *v1Group) addPID(pid int) error {
	text := strconv.Itoa(pid)
	for _, dir := range m.dirs {
		if err := writeFile(dir, "cgroup.procs", text); err != nil {
			return err
		}
	}
	return nil
}

func (m *v1Group) cloneFD() (int, bool) { return 0, false }

func (m *v1Group) pids() ([]int, error) {
	var all []int
	for i, dir := range m.dirs {
		pids, err := readPIDs(dir)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			all = pids
			continue
		}
		// A move that was cut short leaves a process in some of the hierarchies.
		for _, pid := range pids {
			if !slices.Contains(all, pid) {
				all = append(all, pid)
			}
		}
	}
	return all, nil
}

func (m *v1Group) kill() (bool, error) { return false, nil }

func (m *v1Group) limit(old *sandbox.Limits, l sandbox.Limits) error {
	if dir, ok := m.dir("memory"); ok && (old == nil || old.MemoryBytes != l.MemoryBytes) {
		if err := m.limitMemory(dir, l.MemoryBytes); err != nil {
			return err
		}
	}
	if dir, ok := m.dir("cpu"); ok && (old == nil || old.CPUMilli != l.CPUMilli) {
		if err := m.limitCPU(dir, l.CPUMilli); err != nil {
			return err
		}
	}
	if dir, ok := m.dir("pids"); ok && (old == nil || old.Processes != l.Processes) {
		return writeFile(dir, "pids.max", numberOr(l.Processes, "max"))
	}
	return nil
}

// limitMemory sets the limit of memory and that of memory and swap to the same. The
// second may never be below the first, so which goes first depends on the direction:
// the wrong one is refused with EINVAL and done again after the other.
func (m *v1Group) limitMemory(dir string, limit int64) error {
	text := numberOr(int(limit), "-1")
	const plain, swap = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
	if !m.h.swap {
		return writeFile(dir, plain, text)
	}
	err := writeFile(dir, plain, text)
	if err == nil {
		return writeFile(dir, swap, text)
	}
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := writeFile(dir, swap, text); err != nil {
		return err
	}
	return writeFile(dir, plain, text)
}

func (m *v1Group) limitCPU(dir string, milli int) error {
	quota, period := cpuQuota(milli)
	if period != m.period {
		// No quota while the period changes: with the old one the share could be, for a
		// moment, more than a group above has, which the kernel refuses.
		if m.period != 0 {
			if err := writeFile(dir, "cpu.cfs_quota_us", "-1"); err != nil {
				return err
			}
		}
		if err := writeFile(dir, "cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
			return err
		}
		m.period = period
	}
	err := writeFile(dir, "cpu.cfs_quota_us", numberOr(quota, "-1"))
	if errors.Is(err, unix.EINVAL) {
		// More than a group above allows. Without one of its own it has what that allows.
		return writeFile(dir, "cpu.cfs_quota_us", "-1")
	}
	return err
}

// weigh writes the kernel's own number: 1024 is the usual one there too.
func (m *v1Group) weigh(weight int) error {
	dir, ok := m.dir("cpu")
	if !ok {
		return nil
	}
	return writeFile(dir, "cpu.shares", strconv.Itoa(max(weight, sandbox.MinWeight)))
}

// numberOr is n in digits, or none for 0.
func numberOr(n int, none string) string {
	if n == 0 {
		return none
	}
	return strconv.Itoa(n)
}

func (m *v1Group) canFreeze() bool { return m.state.f != nil }

func (m *v1Group) thawFile() (string, bool) {
	dir, ok := m.dir("freezer")
	return filepath.Join(dir, "freezer.state"), ok
}

func (m *v1Group) freeze(frozen bool) error {
	if frozen {
		return m.state.write("FROZEN")
	}
	return m.state.write("THAWED")
}

// stands reads the state, which is also what makes the kernel look.
func (m *v1Group) stands() (bool, error) {
	var buf [16]byte
	text, err := m.state.read(buf[:])
	return string(text) == "FROZEN", err
}

// wait: there is nothing in version 1 to be woken by.
func (m *v1Group) wait(d time.Duration) { time.Sleep(d) }

func (m *v1Group) usage() (sandbox.Usage, error) {
	var u sandbox.Usage
	if m.usageBytes.f != nil {
		all, err := m.usageBytes.number()
		if err != nil {
			return u, err
		}
		if u.PeakMemoryBytes, err = m.peak.number(); err != nil {
			return u, err
		}
		var buf [8192]byte
		text, err := m.stat.read(buf[:])
		if err != nil {
			return u, err
		}
		u.MemoryBytes = max(all-field(text, "total_inactive_file"), 0)
		if u.OOMKills, err = m.oomKills(); err != nil {
			return u, err
		}
	}
	if m.cpu.f != nil {
		ns, err := m.cpu.number()
		if err != nil {
			return u, err
		}
		u.CPU = time.Duration(ns)
	}
	if m.current.f != nil {
		n, err := m.current.number()
		if err != nil {
			return u, err
		}
		u.Processes = int(n)
		return u, nil
	}
	pids, err := m.pids()
	u.Processes = len(pids)
	return u, err
}

func (m *v1Group) peakBytes() (int64, error) {
	if m.peak.f == nil {
		return 0, nil
	}
	return m.peak.number()
}

func (m *v1Group) resetPeak() error {
	if m.peak.f == nil {
		return nil
	}
	return m.peak.write("0")
}

func (m *v1Group) oomKills() (int64, error) {
	dir, ok := m.dir("memory")
	if !ok {
		return 0, nil
	}
	text, err := readFile(dir, "memory.oom_control")
	if err != nil {
		return 0, err
	}
	return field([]byte(text), "oom_kill"), nil // which kernels count since 4.13
}
