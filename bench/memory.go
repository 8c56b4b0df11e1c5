package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory is what a process has, in bytes. What it shares counts in pss by its part.
type memory struct{ rss, pss, private int64 }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func memoryOf(pid int) (memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(firstField(value), 10, 64) // 0 of the heading
		switch name {
		case "Rss":
			m.rss += n << 10
		case "Pss":
			m.pss += n << 10
		case "Private_Clean", "Private_Dirty":
			m.private += n << 10
		}
	}
	return m, nil
}

// machineMemory is what the kernel says of the machine's memory, in bytes: what is
// available, and what it has itself for page tables, threads' stacks, and objects that it
// can't do without.
type machineMemory struct{ available, tables, stacks, objects int64 }

func memoryOfMachine() (machineMemory, error) {
	var m machineMemory
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(firstField(value), 10, 64) // all are numbers
		switch name {
		case "MemAvailable":
			m.available = n << 10
		case "PageTables":
			m.tables = n << 10
		case "KernelStack":
			m.stacks = n << 10
		case "SUnreclaim":
			m.objects = n << 10
		}
	}
	if m.available == 0 {
		return m, fmt.Errorf("/proc/meminfo doesn't say what is available")
	}
	return m, nil
}

// stat returns a process's parent and the CPU time it has used.
func stat(pid int) (parent int, cpu time.Duration, name string, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, "", err
	}
	// The name, in parentheses, may hold anything: fields are counted behind it.
	open, close := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	f := strings.Fields(string(text[close+1:]))
	if open < 0 || len(f) < 13 {
		return 0, 0, "", fmt.Errorf("/proc/%d/stat: %s", pid, text)
	}
	parent, _ = strconv.Atoi(f[1]) // the kernel's own number
	const tick = 10 * time.Millisecond
	for _, field := range f[11:13] {
		n, _ := strconv.ParseInt(field, 10, 64)
		cpu += time.Duration(n) * tick
	}
	return parent, cpu, string(text[open+1 : close]), nil
}

func cpuTime(pid int) (time.Duration, error) {
	_, cpu, _, err := stat(pid)
	return cpu, err
}

// process is one of a server's.
type process struct {
	pid  int
	name string
	cpu  time.Duration
}

// below returns all processes below one.
func below(root int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		parent, cpu, name, err := stat(pid)
		if err != nil {
			continue // it has just ended
		}
		children[parent] = append(children[parent], process{pid, name, cpu})
	}
	var all []process
	for look := []process{{pid: root}}; len(look) > 0; look = look[1:] {
		all = append(all, children[look[0].pid]...)
		look = append(look, children[look[0].pid]...)
	}
	return all, nil
}
