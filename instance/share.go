package instance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Weigh sets what part of the CPUs the instance gets when there is not enough for all
// (see sandbox.Sandbox.Weigh). A failure costs fairness, not correctness.
func (i *Instance) Weigh(weight int) {
	if err := i.box.Weigh(weight); err != nil && !errors.Is(err, fs.ErrClosed) {
		i.host.Log.Warn("an instance's part of the CPU could not be changed", "instance", i.id, "error", err)
	}
}

// WantedCPU returns for how long the threads of the runtime's process have run or waited
// for a CPU so far, together; 0 where the system doesn't say.
func (i *Instance) WantedCPU() time.Duration {
	i.mu.Lock()
	p := i.process
	i.mu.Unlock()
	if p == nil {
		return 0
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID())) // the pattern is not malformed
	var sum time.Duration
	for _, path := range tasks {
		text, err := os.ReadFile(path) //nolint:gosec // a file of /proc
		if err != nil {
			continue // the thread has ended
		}
		sum += parseSchedstat(text)
	}
	return sum
}

// parseSchedstat returns the time a thread has run, which comes first, and waited.
func parseSchedstat(text []byte) time.Duration {
	var sum time.Duration
	for n, field := range bytes.Fields(text) {
		if n == 2 {
			break
		}
		v, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil || v < 0 {
			return 0
		}
		sum += time.Duration(v)
	}
	return sum
}
