package fleet

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Memory one instance counts for until it has been measured, and at least: what a
// booted runtime of its language keeps to itself, with what the kernel has for it.
const (
	floorProvided = 8 << 20
	floorRuby     = 12 << 20
	floorPython   = 8 << 20
	floorNode     = 10 << 20
	floorOther    = 48 << 20
)

func floorOf(runtimeID string) int64 {
	switch {
	case strings.HasPrefix(runtimeID, "provided"):
		return floorProvided
	case strings.HasPrefix(runtimeID, "ruby"):
		return floorRuby
	case strings.HasPrefix(runtimeID, "python"):
		return floorPython
	case strings.HasPrefix(runtimeID, "nodejs"):
		return floorNode
	}
	return floorOther
}

// makeRoom says whether one more instance of a pool fits into the budget, after
// having asked idle instances of others, least recently used first, to leave if it
// doesn't; f.mu is held. What leaves makes room only when it has gone.
func (f *Fleet) makeRoom(p *pool) bool {
	over := f.used + p.typical - f.o.MemoryBytes
	if over <= 0 {
		return true
	}
	if f.used == 0 { // alone on the machine, whatever its size
		return true
	}
	f.free(over, p)
	return false
}

// free asks what is idle to leave until so many bytes are leaving, but for the instances
// of one pool; f.mu is held.
func (f *Fleet) free(bytes int64, spare *pool) {
	for bytes > f.leaving && f.dropAnyStem() {
		// What waits for no function in particular goes first.
	}
	for bytes > f.leaving {
		victim := f.longestIdle(spare)
		if victim == nil {
			return
		}
		f.stop(victim)
	}
}

// longestIdle returns the idle instance of a pool other than p that was used least
// recently, or nil; f.mu is held.
func (f *Fleet) longestIdle(p *pool) *member {
	var oldest *member
	for _, other := range f.pools {
		if other == p || len(other.idle) == 0 || p != nil && f.inItsRight(other, p) {
			continue
		}
		if m := other.idle[0]; oldest == nil || m.idleSince.Before(oldest.idleSince) {
			oldest = m
		}
	}
	return oldest
}

// inUse is how long after its last event an instance counts as one in use.
const inUse = time.Minute

// inItsRight says whether a pool's idle instance needn't make room for one of another:
// it is in use, and its function has no more than its part of the memory where the other
// has its own already; f.mu is held. A function without any instance may have anybody's. So a burst doesn't take the instances of those
// beside it.
func (f *Fleet) inItsRight(other, p *pool) bool {
	if time.Since(other.idle[0].idleSince) > inUse {
		return false
	}
	part := f.o.MemoryBytes / int64(max(len(f.pools), 1))
	return len(p.members) > 0 && int64(len(p.members)+1)*p.typical > part && int64(len(other.members))*other.typical <= max(part, other.typical)
}

const houseEvery = time.Second

// keepHouse stops what has been idle for long or is too old, and measures the rest.
func (f *Fleet) keepHouse() {
	tick := time.NewTicker(houseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.sweep(time.Now())
			f.measure()
		case <-f.ctx.Done():
			return
		}
	}
}

// sweep stops idle instances whose time is over, and forgets pools without any.
func (f *Fleet) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pools {
		for i := 0; i < len(p.idle); {
			m := p.idle[i]
			if now.Sub(m.idleSince) < f.o.IdleTimeout && now.Before(m.expires) {
				i++
				continue
			}
			f.stop(m) // takes it out of idle
		}
		f.dropIfEmpty(p)
	}
	f.trimStems(now)
	f.wakeStocker() // there may be room again for what had to leave
}

// measure reads what instances use. Those frozen since they were last measured can't
// have changed and are left alone.
func (f *Fleet) measure() {
	type sample struct {
		m     *member
		bytes int64
	}
	f.mu.Lock()
	var samples []sample
	members := 0
	for _, p := range f.pools {
		members += len(p.members)
		for m := range p.members {
			if !m.stopping && !m.measuredFrozen() {
				samples = append(samples, sample{m: m})
			}
		}
	}
	f.mu.Unlock()
	for n := range samples {
		s := &samples[n]
		s.bytes = s.m.inst.MemoryBytes()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, s := range samples {
		m := s.m
		if m.stopping {
			continue // leaving counts it with what it had
		}
		bytes := max(s.bytes, floorOf(m.pool.function.Runtime))
		f.used += bytes - m.bytes
		m.bytes, m.measured = bytes, now
		m.pool.typical = bytes
	}
	if members > 1 { // those at work may have grown; one alone may be of any size
		f.free(f.used-f.o.MemoryBytes, nil)
	}
	f.feedHungry()
}

// measuredFrozen says whether m was measured after it had been frozen.
func (m *member) measuredFrozen() bool {
	return !m.idleSince.IsZero() && m.measured.Sub(m.idleSince) > 2*houseEvery
}

// defaultBudget is four fifths of the memory this process may use, as the kernel and
// its cgroup tell; 4 GiB where they don't.
func defaultBudget() int64 {
	total := int64(0)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		total = memTotal(b)
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(file) //nolint:gosec // one of two constants
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && (total == 0 || n < total) {
			total = n
		}
	}
	if total == 0 {
		total = 5 << 30
		if runtime.GOARCH == "386" || runtime.GOARCH == "arm" {
			total = 1 << 30
		}
	}
	return total / 5 * 4
}

func memTotal(meminfo []byte) int64 {
	sc := bufio.NewScanner(bytes.NewReader(meminfo))
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
