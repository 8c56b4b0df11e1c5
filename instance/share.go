package instance

import (
	"errors"
	"io/fs"
	"time"
)

// Weigh sets what part of the CPUs the instance gets when there is not enough for all
// (see sandbox.Sandbox.Weigh). A failure costs fairness, not correctness.
func (i *Instance) Weigh(weight int) {
	if err := i.box.Weigh(weight); err != nil && !errors.Is(err, fs.ErrClosed) {
		i.host.Log.Warn("an instance's part of the CPU could not be changed", "instance", i.id, "error", err)
	}
}

// Usage returns what its processes use of memory now, and what of CPU time they have
// used so far; zeros when that can't be read.
func (i *Instance) Usage() (memoryBytes int64, cpu time.Duration) {
	u, err := i.box.Usage()
	if err != nil { // being stopped
		return 0, 0
	}
	return u.MemoryBytes, u.CPU
}
