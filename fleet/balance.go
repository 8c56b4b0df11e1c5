package fleet

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// Which part of busy CPUs an instance has. Each function's part is the same, however many
// instances it has, and a function that wants less than its part comes first: it has its
// CPU at once, and what it leaves is for those that want more. So a function with an event
// now and then hardly notices another one's burst.
//
// The kernel knows groups of processes, not functions. So all of this is done by weights,
// which follow what is seen of instances (see look): those of a function that wants more
// than its part share a weight that is a fraction of the usual one.

const (
	// greedyShrink is how much less weight a function has, all its instances together, that
	// wants more than its part, than an instance of one that doesn't.
	greedyShrink = 8
	// demandFades is what is left of what a function wanted, with each look at which it
	// isn't known anew.
	demandFades = 0.5
	// slack is how much more than its part a function may want without being greedy: what
	// is seen is never exact.
	slack = 1.1
	// becomesGreedy is how much of its part a function must have to be greedy, and
	// staysGreedy how much of it to stay so.
	becomesGreedy = 0.9
	staysGreedy   = 0.6
	// leastCPUs is how many there are for functions at least, whatever else uses them.
	leastCPUs = 0.25
)

// part returns how much of so many CPUs each may have that want so much of them: as much
// as it wants while there is enough, else what is left when those that want less have
// theirs, in equal parts; +Inf where all can have what they want. It sorts demands.
func part(demands []float64, cpus float64) float64 {
	slices.Sort(demands)
	for n, d := range demands {
		equal := cpus / float64(len(demands)-n)
		if d > equal {
			return equal
		}
		cpus -= d
	}
	return math.Inf(1)
}

// weighUp notes which functions want more than their part of the CPUs, and have about as
// much: one that lacks CPUs because others take them wants more the less it gets, and is
// not the one to give way. f.mu is held.
func (f *Fleet) weighUp(want map[*pool]wants, now time.Time) {
	var demands []float64
	used := 0.0 // which is what there is for functions, beside other programs
	for _, p := range f.pools {
		if w, known := want[p]; known {
			p.use, p.demand = w.all(p.busy)
			p.demandAt = now
		} else {
			p.use *= demandFades
			if p.demand *= demandFades; p.demand < 0.01 {
				p.demand = 0
			}
		}
		p.guess(now)
		if p.busy > 0 {
			demands = append(demands, p.demand)
			used += p.use
		}
	}
	enough := math.IsInf(part(slices.Clone(demands), float64(cpus)), 1)
	most := part(demands, min(max(used, leastCPUs), float64(cpus)))
	for _, p := range f.pools {
		has := becomesGreedy
		if p.greedy {
			has = staysGreedy
		}
		p.greedy = !enough && p.demand > most*slack && p.use >= most*has
	}
}

// demandKept is how long something is known of what a function wants.
const demandKept = 4 * lookEvery

// guess has a pool that has more instances at work than there are CPUs, and of which
// nothing is known yet, count as one that wants them all; Fleet.mu is held.
func (p *pool) guess(now time.Time) {
	if p.busy > cpus && now.Sub(p.demandAt) > demandKept {
		p.demand, p.use = float64(p.busy), float64(p.busy)
		p.greedy = true
	}
}

// noteBurst has the CPUs shared out at once when a pool of which nothing is known has got
// more instances at work than there are CPUs; f.mu is held.
func (f *Fleet) noteBurst(p *pool) {
	// The cheap questions come first: this is asked with every event.
	if p.busy != cpus+1 || p.greedy || time.Since(p.demandAt) <= demandKept {
		return
	}
	select {
	case f.burst <- struct{}{}:
	default: // it knows
	}
}

// balance has each instance at work weigh what it should.
func (f *Fleet) balance() {
	type change struct {
		m      *member
		weight int
	}
	var changes []change
	f.mu.Lock()
	f.strained = false
	now := time.Now()
	for _, p := range f.pools {
		p.guess(now)
		weight := p.weight()
		f.strained = f.strained || p.sated || weight != sandbox.UsualWeight
		for m := range p.members {
			// Those that are idle have time, but for when it is all over.
			if m.weight != weight && m.inst != nil && (m.busy || weight == sandbox.UsualWeight && !m.stopping && m.served) {
				m.weight = weight
				changes = append(changes, change{m, weight})
			}
		}
	}
	f.mu.Unlock()
	for _, c := range changes {
		c.m.inst.Weigh(c.weight)
	}
}

// weight returns the weight of each of a pool's instances at work; Fleet.mu is held.
func (p *pool) weight() int {
	if !p.greedy {
		return sandbox.UsualWeight
	}
	return weightOf(p.busy + p.starting)
}

// startWeight returns the weight of an instance of a pool that is being started, which it
// wants all of a CPU for: that of one at work for a function's first, for others a part of
// what a greedy function has; Fleet.mu is held.
func (p *pool) startWeight() int {
	if p.starting <= 1 && p.busy == 0 {
		return sandbox.UsualWeight
	}
	if p.greedy {
		return p.weight()
	}
	return weightOf(p.starting)
}

// weightOf returns the weight of each of so many instances of a greedy function. It
// changes with every power of two, not with every instance.
func weightOf(instances int) int {
	const all = sandbox.UsualWeight / greedyShrink
	return max(all>>bits.Len(uint(max(instances, 1)-1)), sandbox.MinWeight)
}
