package fleet

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/sandbox"
)

// A stem is an instance booted ahead: a finished sandbox with a language's bootstrap
// in it, of no function yet. Most of a cold start is over when an event comes that
// takes one. It serves one function and no other.
type stem struct {
	inst  *instance.Instance
	owner atomic.Pointer[member] // nil until it is assigned
	bytes int64                  // what it counts for in Fleet.used
}

// stock is the stems of one kind.
type stock struct {
	plan    instance.Plan
	ready   []*stem // the first was booted first; the last may still be booting
	booting int     // those without a sandbox yet
	// claims are of starts that take one of those booting as soon as it has a sandbox: each
	// gets one, or nil.
	claims []chan *stem
	// demand is how many were asked for lately: each take and each new function adds
	// one, and half of it is forgotten with every demandHalfLife. It doesn't grow beyond
	// what can be kept, so that a long storm is forgotten as soon as a short one.
	demand   float64
	demandAt time.Time
	lastUsed time.Time
	failedAt time.Time
}

const (
	demandHalfLife = 15 * time.Second
	// stemShare of the memory budget is what all stems may count for.
	stemShare = 0.1
	// stemPause is how long a kind whose boot failed is left alone.
	stemPause = 10 * time.Second
	// stemPatience is how long refilling waits for starts that have somebody waiting,
	// and stemQuiet for how long there must be none, before it takes CPU from them.
	stemPatience = 300 * time.Millisecond
	// stemBootLimit is how long a bootstrap may take to wait for its function, with the
	// little it has of busy CPUs.
	stemBootLimit = 30 * time.Second
	stemQuiet     = 30 * time.Millisecond
	// stemShrink is how much less of busy CPUs one has than an instance at work, while it
	// boots: less than a function that wants more than its part.
	stemShrink = 128
)

// Anticipate has an instance for functions like each of these booted ahead: one was
// created, or they are known from before, the likeliest to be invoked first. It never
// starts a function.
func (f *Fleet) Anticipate(functions ...*wick.Function) {
	if f.o.MaxStems == 0 {
		return
	}
	var plans []instance.Plan
	for _, fn := range functions {
		if plan, err := f.o.Host.Plan(fn); err == nil { // else invoking it will say why
			plans = append(plans, plan)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, plan := range slices.Backward(plans) {
		f.stockOf(plan).want(time.Now(), f.o.MaxStems)
	}
	f.wakeStocker()
}

// Kinds returns a function of each kind that instances are booted ahead for, the kind
// used last first: to anticipate them after the next start.
func (f *Fleet) Kinds() []*wick.Function {
	f.mu.Lock()
	all := make([]*stock, 0, len(f.stocks))
	used := make(map[*stock]time.Time, len(f.stocks))
	for _, s := range f.stocks {
		all = append(all, s)
		used[s] = s.lastUsed
	}
	functions := make([]*wick.Function, len(all))
	slices.SortFunc(all, func(a, b *stock) int { return used[b].Compare(used[a]) })
	for n, s := range all {
		functions[n] = s.plan.Like
	}
	f.mu.Unlock()
	return functions
}

// Ahead returns the state of the instances that wait for a function.
func (f *Fleet) Ahead() []wick.InstanceStatus {
	f.mu.Lock()
	var all []*instance.Instance
	for _, s := range f.stocks {
		for _, st := range s.ready {
			all = append(all, st.inst)
		}
	}
	f.mu.Unlock()
	return statusesOf(all)
}

// stockOf returns the stock of a plan's kind; f.mu is held.
func (f *Fleet) stockOf(p instance.Plan) *stock {
	s := f.stocks[p.Key]
	if s == nil {
		s = &stock{}
		f.stocks[p.Key] = s
	}
	s.plan = p // what is booted next has what has been prepared since
	return s
}

// takeStem gives m an instance booted ahead, or returns nil.
func (f *Fleet) takeStem(p instance.Plan, m *member) *instance.Instance {
	if f.o.MaxStems == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stockOf(p)
	s.want(time.Now(), f.o.MaxStems)
	f.wakeStocker()
	var st *stem
	switch {
	case len(s.ready) > 0:
		st = s.ready[0]
		s.ready = slices.Delete(s.ready, 0, 1)
	case s.booting > len(s.claims): // it is milliseconds ahead of a new one
		claim := make(chan *stem, 1)
		s.claims = append(s.claims, claim)
		f.mu.Unlock()
		st = <-claim
		f.mu.Lock()
	}
	if st == nil {
		return nil
	}
	f.used -= st.bytes // m counts from here on
	st.owner.Store(m)
	return st.inst
}

// want notes that one more was asked for, of which at most so many can be kept.
func (s *stock) want(now time.Time, most int) {
	s.demand = min(s.demandNow(now)+1, float64(most))
	s.demandAt, s.lastUsed = now, now
}

func (s *stock) demandNow(now time.Time) float64 {
	return s.demand * math.Exp2(-float64(now.Sub(s.demandAt))/float64(demandHalfLife))
}

// target is how many of a kind shall be ready: one as long as the kind is in use, more
// after many were asked for.
func (f *Fleet) target(s *stock, now time.Time) int {
	if now.Sub(s.lastUsed) > f.o.IdleTimeout || now.Sub(s.failedAt) < stemPause {
		return 0
	}
	return min(max(1, int(math.Ceil(s.demandNow(now)))), f.o.MaxStems)
}

func (f *Fleet) wakeStocker() {
	select {
	case f.short <- struct{}{}:
	default: // it knows
	}
}

// keepStocks boots what the stocks lack: the first of each kind beside one another, as
// many as there are CPUs, all others one at a time.
func (f *Fleet) keepStocks() {
	places := make(chan struct{}, cpus)
	for {
		select {
		case <-f.short:
		case <-f.ctx.Done():
			return
		}
		for f.letStartsPass() {
			places <- struct{}{} // never for longer than a boot takes
			s, plan, first := f.neediest()
			if s == nil {
				<-places
				break
			}
			if !first {
				f.bootStem(s, plan)
				<-places
				continue
			}
			f.wg.Go(func() {
				f.bootStem(s, plan)
				<-places
			})
		}
	}
}

// letStartsPass waits until no start that an event waits for is under way or was a
// moment ago, within bounds; false when the fleet is closing.
func (f *Fleet) letStartsPass() bool {
	patience := time.NewTimer(stemPatience)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		f.mu.Lock()
		quiet := f.starting == 0 && time.Since(f.lastStart) > stemQuiet
		f.mu.Unlock()
		if quiet {
			return f.ctx.Err() == nil
		}
		select {
		case <-tick.C:
		case <-patience.C:
			return f.ctx.Err() == nil
		case <-f.ctx.Done():
			return false
		}
	}
}

// neediest returns the stock that lacks most of what it should have, with one of its
// boots accounted for, what to boot, and whether that is its first; nil when none lacks
// any or there is no room. Of those that lack as much it is the one used last.
func (f *Fleet) neediest() (_ *stock, _ instance.Plan, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	var worst *stock
	var lack float64
	var stems int64
	for _, s := range f.stocks {
		stems += int64(s.booting) * floorOf(s.plan.Match.Runtime)
		for _, st := range s.ready {
			stems += st.bytes
		}
		want := f.target(s, now)
		have := len(s.ready) + s.booting
		short := float64(want-have) / float64(max(want, 1))
		if short > lack || short == lack && worst != nil && s.lastUsed.After(worst.lastUsed) {
			worst, lack = s, short
		}
	}
	if worst == nil || f.closing || len(f.hungry) > 0 { // room is for those who wait for it
		return nil, instance.Plan{}, false
	}
	bytes := floorOf(worst.plan.Match.Runtime)
	if f.used+bytes > f.o.MemoryBytes || float64(stems+bytes) > stemShare*float64(f.o.MemoryBytes) {
		return nil, instance.Plan{}, false
	}
	worst.booting++
	f.used += bytes
	return worst, worst.plan, len(worst.ready)+worst.booting == 1
}

// bootStem adds one to a stock.
func (f *Fleet) bootStem(s *stock, plan instance.Plan) {
	st := &stem{bytes: floorOf(plan.Match.Runtime)}
	inst, err := f.o.Host.Boot(f.ctx, plan, func(*instance.Instance) {
		if m := st.owner.Load(); m != nil {
			f.release(m)
		}
	})
	if err == nil {
		inst.Weigh(sandbox.UsualWeight / stemShrink)
	}
	f.mu.Lock()
	s.booting--
	var claim chan *stem
	if len(s.claims) > 0 {
		claim = s.claims[0]
		s.claims = slices.Delete(s.claims, 0, 1)
	}
	if err != nil {
		f.used -= st.bytes
		f.bootFailed(s, err)
		f.mu.Unlock()
		if claim != nil {
			claim <- nil // it starts one of its own, and says what is wrong
		}
		return
	}
	st.inst = inst
	if claim != nil {
		claim <- st // it has room for it
	} else {
		s.ready = append(s.ready, st) // to be taken from now on: it is further than a new one
		if f.closing {
			f.dropStems(s, 0)
		}
	}
	f.mu.Unlock()

	// Another one of the kind waits: together they would only slow each other down.
	ctx, cancel := context.WithTimeout(f.ctx, stemBootLimit)
	inst.AwaitBooted(ctx)
	cancel()
	if inst.State() != wick.InstanceBooting {
		inst.Weigh(sandbox.UsualWeight)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if at := slices.Index(s.ready, st); at >= 0 { // else somebody has it
		s.ready = slices.Delete(s.ready, at, at+1)
		f.stopStem(st)
		f.bootFailed(s, errors.New("its bootstrap doesn't get ready"))
	}
}

// bootFailed notes that a boot has failed; f.mu is held.
func (f *Fleet) bootFailed(s *stock, err error) {
	s.failedAt = time.Now()
	if f.ctx.Err() == nil {
		f.o.Log.Error("an instance could not be booted ahead", "runtime", s.plan.Match.Runtime, "error", err)
	}
}

// dropStems stops the youngest stems of a stock until n are left; f.mu is held.
func (f *Fleet) dropStems(s *stock, n int) {
	for len(s.ready) > n {
		st := s.ready[len(s.ready)-1]
		s.ready = slices.Delete(s.ready, len(s.ready)-1, len(s.ready))
		f.stopStem(st)
	}
}

// dropAnyStem stops one stem, if there is one; f.mu is held.
func (f *Fleet) dropAnyStem() bool {
	for _, s := range f.stocks {
		if n := len(s.ready); n > 0 {
			f.dropStems(s, n-1)
			return true
		}
	}
	return false
}

// stopStem ends a stem in the background; f.mu is held.
func (f *Fleet) stopStem(st *stem) {
	f.leaving += st.bytes
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		f.end(st.inst)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.used -= st.bytes
		f.leaving -= st.bytes
		f.feedHungry()
	}()
}

// trimStems stops stems that demand no longer asks for; f.mu is held. It leaves a
// margin, so that a stock doesn't boot and stop by turns.
func (f *Fleet) trimStems(now time.Time) {
	for key, s := range f.stocks {
		want := f.target(s, now)
		if len(s.ready) > want+want/2 {
			f.dropStems(s, want)
		}
		if want == 0 && len(s.ready) == 0 && s.booting == 0 && now.Sub(s.lastUsed) > f.o.IdleTimeout {
			delete(f.stocks, key)
		}
	}
}
