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

// WantedCPU returns for how long the threads of the runtime's process have run so far,
// together, and for how long they have run or waited for a CPU; 0 where the system doesn't
// say.
func (i *Instance) WantedCPU() (ran, wanted time.Duration) {
	i.mu.Lock()
	p := i.process
	i.mu.Unlock()
	if p == nil {
		return 0, 0
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID())) // the pattern is not malformed
	for _, path := range tasks {
		text, err := os.ReadFile(path) //nolint:gosec // a file of /proc
		if err != nil {
			continue // the thread has ended
		}
		r, w := parseSchedstat(text)
		ran += r
		wanted += r + w
	}
	return ran, wanted
}

// parseSchedstat returns the time a thread has run, which comes first, and waited.
func parseSchedstat(text []byte) (ran, waited time.Duration) {
	var times [2]time.Duration
	for n, field := range bytes.Fields(text) {
		if n == len(times) {
			break
		}
		v, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil || v < 0 {
			return 0, 0
		}
		times[n] = time.Duration(v)
	}
	return times[0], times[1]
}
