//go:build linux

package linux

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// processUsage is Usage where there are no cgroups to ask: the processes of the sandbox
// are looked at one by one. CPU is that of the processes alive and of the children they
// have waited for; the peak is the highest reading since ResetPeak; of memory that is
// shared, with whomever, each process has its part.
func (s *Sandbox) processUsage() (sandbox.Usage, error) {
	var u sandbox.Usage
	// Whoever loses its parent becomes the first process's child, so its descendants
	// are all there are.
	queue := childrenOf(s.first.Pid)
	for len(queue) > 0 {
		pid := queue[0]
		queue = append(queue[1:], childrenOf(pid)...)
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		threads, ticks := parseStat(stat)
		u.Processes += threads
		u.CPU += time.Duration(ticks) * (time.Second / clockTicks)
		u.MemoryBytes += memoryOf(pid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peak = max(s.peak, u.MemoryBytes)
	u.PeakMemoryBytes = s.peak
	return u, nil
}

func (s *Sandbox) resetProcessPeak() {
	s.mu.Lock()
	s.peak = 0
	s.mu.Unlock()
}

// clockTicks is USER_HZ, which is 100 on every architecture of Go's.
const clockTicks = 100

// childrenOf are the children of all threads of a process.
func childrenOf(pid int) []int {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil // it has ended
	}
	var pids []int
	for _, t := range tasks {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/children")
		if err != nil {
			continue // it has ended
		}
		for _, field := range bytes.Fields(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// parseStat reads a /proc/PID/stat. The name in it, in parentheses, can hold anything.
func parseStat(stat []byte) (threads int, ticks int64) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	number := func(i int) int64 {
		if i-3 >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(string(fields[i-3]), 10, 64) // the kernel writes numbers here
		return n
	}
	// As proc(5) counts them: utime, stime, cutime, cstime; num_threads.
	return int(number(20)), number(14) + number(15) + number(16) + number(17)
}

// memoryOf is the memory of a process; 0 when it has ended.
func memoryOf(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "Pss:" {
			kB, _ := strconv.ParseInt(string(fields[1]), 10, 64) // the kernel writes numbers here
			return kB << 10
		}
	}
	return 0
}
