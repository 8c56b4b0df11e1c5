package fleet

import (
	"bytes"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// What happens when there is more to do than CPUs for it. Instances beyond those that
// keep the CPUs busy would only make each other slow, and take CPU time to start: a
// function whose instances all want a CPU while none is free gets no more of them, and
// its events wait for those there are (see sate). And functions, not instances, have equal
// parts of the CPUs: one with a hundred instances at work doesn't slow down another with
// one (see balance).

const (
	// busyMachine is how much of the CPUs' time must be used for them to count as busy.
	busyMachine = 0.9
	// wantsCPU is how much of the time an instance at work must run, or wait for a CPU, for
	// it to be the CPU that it lacks, and not what it waits for else.
	wantsCPU = 0.7
	// sampleOf is how many of a function's instances are looked at for that.
	sampleOf = 8
	// balanceEvery is how often the parts are looked at.
	balanceEvery = 100 * time.Millisecond
)

// enoughForCPU is how many instances keep the CPUs busy whatever they do.
func enoughForCPU() int { return 2 * runtime.GOMAXPROCS(0) }

// lookedAt says whether a member is one of the few of its pool that are looked at for what
// they want of the CPUs, which takes two looks at the same ones; Fleet.mu is held.
func (m *member) lookedAt() bool {
	if m.busy && (m.looked || m.pool.looked < sampleOf) {
		if !m.looked {
			m.looked = true
			m.pool.looked++
		}
		return true
	}
	if m.looked {
		m.looked = false
		m.pool.looked--
	}
	return false
}

// average is that of some numbers.
type average struct {
	sum float64
	of  int
}

func (a average) with(v float64) average { return average{a.sum + v, a.of + 1} }

func (a average) value() float64 { return a.sum / float64(max(a.of, 1)) }

// sate notes which pools more instances would be of no use to; want is how much of the
// last second those at work wanted a CPU; f.mu is held.
func (f *Fleet) sate(want map[*pool]average, now time.Time) {
	busy := f.cpuClock.read(now) >= busyMachine
	for _, p := range f.pools {
		p.sated = busy && p.busy >= enoughForCPU() && want[p].value() >= wantsCPU
		if len(p.waiters) > 0 && !p.sated {
			f.line(p)
		}
	}
}

// keepBalance looks at the parts of the CPUs that functions have.
func (f *Fleet) keepBalance() {
	tick := time.NewTicker(balanceEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.balance()
		case <-f.ctx.Done():
			return
		}
	}
}

// balance gives the functions with several instances at work no more of the CPUs than
// others have.
func (f *Fleet) balance() {
	type change struct {
		m      *member
		weight int
	}
	var changes []change
	f.mu.Lock()
	if f.busy <= runtime.GOMAXPROCS(0) && f.unequal == 0 {
		f.mu.Unlock()
		return
	}
	f.unequal = 0
	for _, p := range f.pools {
		p.weight = weightOf(p.busy)
		if p.weight != sandbox.UsualWeight {
			f.unequal++
		}
		for m := range p.members {
			if m.busy && m.weight != p.weight && !(m.weight == 0 && p.weight == sandbox.UsualWeight) {
				m.weight = p.weight
				changes = append(changes, change{m, p.weight})
			}
		}
	}
	f.mu.Unlock()
	for _, c := range changes {
		c.m.inst.Weigh(c.weight)
	}
}

// weightOf returns the weight of each of so many instances. It changes with every power
// of two, not with every instance.
func weightOf(busy int) int {
	if busy <= 1 {
		return sandbox.UsualWeight
	}
	return max(sandbox.UsualWeight>>bits.Len(uint(busy-1)), sandbox.MinWeight)
}

// cpuClock tells how much of the CPUs' time is used, whoever uses it.
type cpuClock struct {
	at          time.Time
	idle, total int64
}

// read returns the part of the CPUs' time that was used since the last call; 0 of the
// first call and where the kernel doesn't say.
func (c *cpuClock) read(now time.Time) float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	idle, total, ok := parseStat(text)
	if !ok {
		return 0
	}
	last := *c
	*c = cpuClock{now, idle, total}
	if last.at.IsZero() || total <= last.total {
		return 0
	}
	return 1 - float64(idle-last.idle)/float64(total-last.total)
}

// parseStat reads the first line of /proc/stat: the time all CPUs were idle, waiting for
// disks included, and all time.
func parseStat(text []byte) (idle, total int64, ok bool) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 6 || string(fields[0]) != "cpu" {
		return 0, 0, false
	}
	// Guests' time, after the eighth, is in the first two already.
	for n, field := range fields[1:min(len(fields), 9)] {
		v, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil || v < 0 {
			return 0, 0, false
		}
		if n == 3 || n == 4 {
			idle += v
		}
		total += v
	}
	return idle, total, true
}
