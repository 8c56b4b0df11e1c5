package fleet

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"
)

// What happens when there is more to do than CPUs for it. Instances beyond those that
// keep the CPUs busy would only make each other slow, and take CPU time to start: a
// function whose instances all want a CPU while none is free gets no more of them, and
// its events wait for those there are (see sate). And functions, not instances, have equal
// parts of the CPUs, those that want less than that before others (see balance.go).

const (
	// busyMachine is how much of the CPUs' time must be used for them to count as busy.
	busyMachine = 0.9
	// wantsCPU is how much of the time an instance at work must run, or wait for a CPU, for
	// it to be the CPU that it lacks, and not what it waits for else.
	wantsCPU = 0.7
	// sampleOf is how many of a function's instances are looked at for that, and
	// samplesOfAll how many of all functions' together.
	sampleOf     = 4
	samplesOfAll = 64
	// pressureEvery is how often the machine is looked at while there is more at work than
	// CPUs, and lookEvery how often the instances are.
	pressureEvery = 100 * time.Millisecond
	lookEvery     = 250 * time.Millisecond
	// calmLooks is for how many looks in a row a function must not be sated to get more
	// instances again.
	calmLooks = 2
)

// cpus is how many there are for this process. It is asked for once, since that takes a
// lock of Go's scheduler.
var cpus = runtime.GOMAXPROCS(0)

// enoughForCPU is how many instances keep the CPUs busy whatever they do.
func enoughForCPU() int { return 2 * cpus }

// crowded says whether there is more at work than CPUs; f.mu is held.
func (f *Fleet) crowded() bool { return f.busy+f.starting > cpus }

// noteCrowd has the machine looked at again once there is more at work than CPUs; f.mu is
// held.
func (f *Fleet) noteCrowd() {
	if !f.resting || !f.crowded() {
		return
	}
	f.resting = false
	select {
	case f.crowd <- struct{}{}:
	default: // it knows
	}
}

// keepPressure looks at the machine while there is more at work than CPUs. An idle server
// isn't woken for it.
func (f *Fleet) keepPressure() {
	tick := time.NewTicker(pressureEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.burst:
			f.balance()
		case <-f.crowd:
			tick.Reset(pressureEvery)
		case now := <-tick.C:
			f.mu.Lock()
			calm := !f.crowded() && !f.strained
			f.resting = calm
			due := now.Sub(f.lookedAt) >= lookEvery
			f.mu.Unlock()
			switch {
			case calm:
				tick.Stop()
				continue
			case due:
				f.look(now)
			}
			f.balance()
		case <-f.ctx.Done():
			return
		}
	}
}

// look finds out what instances at work want of the CPUs.
func (f *Fleet) look(now time.Time) {
	type sample struct {
		m           *member
		ran, wanted time.Duration // so far
	}
	var samples []sample
	f.mu.Lock()
	for _, p := range f.pools {
		if len(samples) >= samplesOfAll { // another time: maps are walked in any order
			break
		}
		if p.busy == 0 && p.looked == 0 {
			continue
		}
		for m := range p.members {
			if !m.stopping && m.lookedAt() {
				samples = append(samples, sample{m: m})
			}
		}
	}
	f.mu.Unlock()
	for n := range samples {
		samples[n].ran, samples[n].wanted = samples[n].m.inst.WantedCPU()
	}
	used := f.cpuClock.read(now)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookedAt = now
	want := make(map[*pool]wants)
	for _, s := range samples {
		m := s.m
		if s.wanted == 0 || m.stopping {
			continue
		}
		if passed := now.Sub(m.wantedAt); m.wanted > 0 && passed < 4*lookEvery {
			share := func(d time.Duration) float64 { return max(float64(d)/float64(passed), 0) }
			want[m.pool] = want[m.pool].with(share(s.ran-m.ran), share(s.wanted-m.wanted))
		}
		m.ran, m.wanted, m.wantedAt = s.ran, s.wanted, now
	}
	f.sate(want, used >= busyMachine)
	f.weighUp(want, now)
	f.feedHungry()
}

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

// wants is what some of a function's instances at work have and want of the CPUs, as time
// of CPUs ÷ time that passed, of all together.
type wants struct {
	of   int
	have float64 // what they ran
	cpus float64 // and waited to run
	part float64 // the same, but of each no more than one CPU
}

// with adds an instance that has and wants so many CPUs.
func (w wants) with(have, cpus float64) wants {
	return wants{w.of + 1, w.have + have, w.cpus + cpus, w.part + min(cpus, 1)}
}

// all returns how many CPUs so many like them have and want.
func (w wants) all(instances int) (have, cpus float64) {
	times := float64(instances) / float64(max(w.of, 1))
	return w.have * times, w.cpus * times
}

// lackCPU says whether a CPU is what they wait for most of the time, or have.
func (w wants) lackCPU() bool { return w.part/float64(max(w.of, 1)) >= wantsCPU }

// sate notes which pools more instances would be of no use to; f.mu is held.
func (f *Fleet) sate(want map[*pool]wants, busy bool) {
	for _, p := range f.pools {
		w, known := want[p]
		switch {
		case busy && p.busy >= enoughForCPU() && w.lackCPU():
			p.sated, p.eased = true, 0
			continue
		case p.sated && busy && p.busy >= enoughForCPU() && !known: // nothing new
			continue
		}
		if p.eased++; p.sated && p.eased < calmLooks {
			continue
		}
		if p.sated = false; len(p.waiters) > 0 {
			f.line(p)
		}
	}
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
