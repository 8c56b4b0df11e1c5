package fleet

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/sandbox"
)

// feed starts what a pool's waiters lack; f.mu is held. While others stand in line for
// a start or for memory, it stands in line too.
func (f *Fleet) feed(p *pool) {
	f.countOnSoon(p)
	f.line(p)
	f.feedHungry()
}

// line has a pool that lacks instances stand in line for them; f.mu is held.
func (f *Fleet) line(p *pool) {
	if !p.hungry && p.lacks() > 0 {
		p.hungry = true
		f.hungry = append(f.hungry, p)
	}
}

// feedHungry starts instances for the pools in line, one for each in turn so that no
// function's burst keeps the others waiting, until nothing more can be started; f.mu
// is held.
func (f *Fleet) feedHungry() {
	for at := 0; at < len(f.hungry) && !f.closing; {
		p := f.hungry[at]
		if p.lacks() > 0 {
			if f.starting >= f.o.MaxStarting {
				return
			}
			if f.starting >= f.maxStarting(p) {
				at++ // those behind it may have the last place
				continue
			}
			if f.full = !f.makeRoom(p); f.full {
				return
			}
			f.startOne(p)
		}
		f.hungry = slices.Delete(f.hungry, at, at+1)
		if p.hungry = p.lacks() > 0; p.hungry {
			f.hungry = append(f.hungry, p)
		} else {
			f.dropIfEmpty(p)
		}
	}
}

// maxStarting is how many instances may be starting for a pool to get one more: the last
// place isn't for those that have enough to keep the CPUs busy, since on a busy machine
// a start takes long, and the first of another function would wait for it.
func (f *Fleet) maxStarting(p *pool) int {
	if p.busy+p.starting >= enoughForCPU() {
		return max(f.o.MaxStarting-1, 1)
	}
	return f.o.MaxStarting
}

// startOne begins to start an instance of a pool; f.mu is held.
func (f *Fleet) startOne(p *pool) {
	m := &member{pool: p, bytes: p.typical, expires: f.expiry(time.Now())}
	p.starting++
	f.starting++
	f.noteCrowd()
	m.weight = p.startWeight()
	f.lastStart = time.Now()
	p.lastStart = f.lastStart
	f.used += m.bytes
	f.wg.Add(1)
	go f.start(m)
}

// expiry returns when an instance made now is replaced: not all of one age at once.
func (f *Fleet) expiry(now time.Time) time.Time {
	spread := float64(f.o.MaxLifetime) * (0.9 + 0.2*rand.Float64()) //nolint:gosec // no secret
	return now.Add(time.Duration(spread))
}

// start makes an instance and hands it to whoever is first in line then.
func (f *Fleet) start(m *member) {
	defer f.wg.Done()
	p := m.pool
	err := f.bring(m)
	f.mu.Lock()
	p.starting--
	f.starting--
	f.mu.Unlock()
	if err == nil {
		f.release(m)
		f.mu.Lock()
		f.feedHungry()
		f.mu.Unlock()
		return
	}
	if f.ctx.Err() == nil { // else it is the closing that ended it
		f.o.Log.Error("an instance could not be started", "function", p.function.Name, "error", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop(m)
	if len(p.waiters) > 0 {
		w := p.waiters[0]
		p.waiters = slices.Delete(p.waiters, 0, 1)
		w.got <- grant{err: err}
	}
	f.feed(p)
}

// bring boots and assigns m's instance.
func (f *Fleet) bring(m *member) error {
	host, fn := f.o.Host, m.pool.function
	plan, err := host.Plan(fn)
	if err != nil {
		return err
	}
	inst := f.takeStem(plan, m)
	if inst == nil {
		inst, err = host.Boot(f.ctx, plan, func(*instance.Instance) { f.release(m) })
		if err != nil {
			return err
		}
	}
	f.mu.Lock()
	m.inst = inst
	m.pool.members[m] = struct{}{}
	weight := m.weight
	f.mu.Unlock()
	// One that booted ahead may have had less.
	if weight != sandbox.UsualWeight || inst.State() == wick.InstanceBooting {
		inst.Weigh(weight)
	}
	err = inst.Assign(f.ctx, plan, fn)
	f.mu.Lock()
	weight = m.pool.weight()
	changed := m.weight != weight
	m.weight = weight
	f.mu.Unlock()
	if changed {
		inst.Weigh(weight)
	}
	return err
}

// stop ends a member in the background; f.mu is held. It counts until it is gone.
func (f *Fleet) stop(m *member) {
	if m.stopping {
		return
	}
	m.stopping = true
	m.notSoon()
	f.notBusy(m)
	m.lookedAt() // no more
	if at := slices.Index(m.pool.idle, m); at >= 0 {
		m.pool.idle = slices.Delete(m.pool.idle, at, at+1)
	}
	f.leaving += m.bytes
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		if m.inst != nil {
			f.end(m.inst)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(m.pool.members, m)
		f.used -= m.bytes
		f.leaving -= m.bytes
		f.dropIfEmpty(m.pool)
		close(f.changed)
		f.changed = make(chan struct{})
		f.feedHungry()
	}()
}

// end stops an instance and says so if that failed.
func (f *Fleet) end(inst *instance.Instance) {
	if err := inst.Stop(); err != nil {
		f.o.Log.Error("an instance could not be ended cleanly", "instance", inst.ID(), "error", err)
	}
}

// dropIfEmpty forgets a pool that has nothing and nobody; f.mu is held.
func (f *Fleet) dropIfEmpty(p *pool) {
	if len(p.members) == 0 && len(p.waiters) == 0 && p.starting == 0 && !p.hungry && f.pools[p.key] == p {
		delete(f.pools, p.key)
	}
}
