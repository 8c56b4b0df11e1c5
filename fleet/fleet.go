// Package fleet decides which instances exist: it keeps a pool of them for every
// function version and configuration, gives each event the idle one that was used
// last, starts more when there is none, and lets go of those that are idle for long,
// old, out of date, or in the way when memory is short.
//
// It knows no HTTP and no limits of accounts or functions (package invoke, its
// caller, admits); the limit it knows is the machine's memory.
package fleet

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

// Options configure a Fleet; zero values take the defaults named.
type Options struct {
	Host *instance.Host
	// MemoryBytes is what all instances may use together; 0: most of the machine's.
	MemoryBytes int64
	// IdleTimeout is how long an instance waits for its next event. 0: 10 minutes.
	IdleTimeout time.Duration
	// MaxLifetime is the age at which an instance is replaced between two events,
	// give or take a tenth. 0: 4 hours.
	MaxLifetime time.Duration
	// QueueWait is how long an event waits for room on a full machine. 0: 10 seconds.
	QueueWait time.Duration
	// MaxStarting is how many instances start at the same time: more would only take
	// CPU from each other. 0: two for each CPU, at least 4.
	MaxStarting int
	// MaxStems is how many instances of a kind are booted ahead at most, waiting for a
	// function. How many really are follows from how many were used lately. 0: none.
	MaxStems int
	Log      *slog.Logger
}

// Fleet is all instances of a server.
type Fleet struct {
	o      Options
	ctx    context.Context // of starts; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // starts, stops, the housekeeper, the stocker
	short  chan struct{}  // wakes the stocker

	soonLimit time.Duration

	mu        sync.Mutex // guards all below
	pools     map[key]*pool
	used      int64 // bytes of all members, stopping ones included
	leaving   int64 // bytes of those being stopped
	starting  int
	lastStart time.Time
	hungry    []*pool           // pools with waiters for whom nothing could be started yet, in order
	stocks    map[string]*stock // instances booted ahead, by instance.Plan.Key
	full      bool              // the first in that line waits for memory
	closing   bool
	changed   chan struct{} // closed and replaced when a member has ended
}

// key is what instances have in common that can serve the same events.
type key struct {
	function wick.FunctionID
	version  string
	config   string
}

type pool struct {
	key      key
	function *wick.Function
	members  map[*member]struct{} // all that have an instance
	idle     []*member            // the last was used last
	waiters  []*waiter            // the first came first
	starting int
	soon     int         // members that have answered and will ask for more in a moment
	patience *time.Timer // while waiters count on them
	retired  bool        // out of date: serves those who wait already, then ends
	typical  int64       // bytes an instance of it was last seen to use
	hungry   bool        // in Fleet.hungry
}

// member is an instance in its pool.
type member struct {
	pool      *pool
	inst      *instance.Instance
	bytes     int64     // what it counts for in Fleet.used
	idleSince time.Time // zero while it isn't idle
	expires   time.Time
	measured  time.Time
	served    bool         // it has been given an event
	turn      int64        // how many it has been given
	freed     atomic.Int64 // the last turn it has been released from
	soon      bool         // it counts in pool.soon
	stopping  bool
}

// waiter is an event without an instance.
type waiter struct {
	got chan grant // gets one value, unless the waiter leaves first
}

type grant struct {
	m   *member
	err error
}

// New returns an empty fleet.
func New(o Options) *Fleet {
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = defaultBudget()
	}
	o.IdleTimeout = orDefault(o.IdleTimeout, 10*time.Minute)
	o.MaxLifetime = orDefault(o.MaxLifetime, 4*time.Hour)
	o.QueueWait = orDefault(o.QueueWait, 10*time.Second)
	o.MaxStarting = orDefault(o.MaxStarting, max(4, 2*runtime.NumCPU()))
	f := &Fleet{
		o: o, pools: make(map[key]*pool), stocks: make(map[string]*stock),
		short: make(chan struct{}, 1), changed: make(chan struct{}), soonLimit: soonLimit,
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.keepHouse)
	f.wg.Go(f.keepStocks)
	return f
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// MemoryBytes returns the budget.
func (f *Fleet) MemoryBytes() int64 { return f.o.MemoryBytes }

// Invoke has an instance of fn work on an event and returns its answer.
// TooManyRequests when the machine is full and stays so; Unavailable when the fleet
// is closing; ctx ends only the wait for an instance, never an event that a function
// has begun to work on.
func (f *Fleet) Invoke(ctx context.Context, fn *wick.Function, inv *instance.Invocation) (*instance.Answer, error) {
	for {
		m, err := f.acquire(ctx, fn)
		if err != nil {
			return nil, err
		}
		turn := m.turn
		a, err := m.inst.Invoke(inv)
		if err == nil {
			f.answered(m, turn)
			return a, nil
		}
		f.discard(m)
		if !errors.Is(err, instance.ErrNotDelivered) {
			return nil, err
		}
		f.o.Log.Warn("an instance could not take an event; another gets it", "function", fn.Name, "error", err)
	}
}

// acquire returns an idle instance of fn, which is then the caller's.
func (f *Fleet) acquire(ctx context.Context, fn *wick.Function) (*member, error) {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return nil, errClosing()
	}
	p := f.poolOf(fn)
	if n := len(p.idle); n > 0 {
		m := p.idle[n-1]
		p.idle = p.idle[:n-1]
		m.take()
		f.mu.Unlock()
		return m, nil
	}
	w := &waiter{got: make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	f.feed(p)
	f.mu.Unlock()
	return f.await(ctx, p, w)
}

// take notes that an event is given to an instance; Fleet.mu is held.
func (m *member) take() {
	m.idleSince, m.served = time.Time{}, true
	m.turn++
}

// answered notes that an instance is done with an event but for asking for the next.
func (f *Fleet) answered(m *member, turn int64) {
	if m.freed.Load() >= turn { // the usual case: it has asked already
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.turn == turn && m.freed.Load() < turn && !m.stopping && !m.soon {
		m.soon = true
		m.pool.soon++
	}
}

// notSoon takes an instance out of pool.soon; f.mu is held.
func (m *member) notSoon() {
	if m.soon {
		m.soon = false
		m.pool.soon--
	}
}

// soonLimit is how long an event waits for an instance that has answered to be free,
// rather than having another one started.
const soonLimit = 25 * time.Millisecond

// lacks is how many instances a pool has to start; f.mu is held.
func (p *pool) lacks() int { return len(p.waiters) - p.starting - p.soon }

// countOnSoon has a pool's waiters wait for those free soon, for a moment; f.mu is held.
func (f *Fleet) countOnSoon(p *pool) {
	if p.soon == 0 || p.patience != nil {
		return
	}
	p.patience = time.AfterFunc(f.soonLimit, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.patience = nil
		for m := range p.members {
			m.notSoon()
		}
		f.feed(p)
	})
}

// await returns what a waiter gets. It gives up when the machine stays full, but not
// while an instance for it is starting.
func (f *Fleet) await(ctx context.Context, p *pool, w *waiter) (*member, error) {
	patience := time.NewTimer(f.o.QueueWait)
	defer patience.Stop()
	for {
		var failure error
		select {
		case g := <-w.got:
			return g.m, g.err
		case <-ctx.Done():
			failure = &wick.Error{Kind: wick.Unavailable, Message: "The request was cancelled.", Cause: ctx.Err()}
		case <-patience.C:
			failure = &wick.Error{
				Kind: wick.TooManyRequests, Message: "Rate Exceeded.",
				Reason: "ConcurrentInvocationLimitExceeded", RetryAfterSeconds: 1,
				Cause: errors.New("the memory budget is used up (see --memory)"),
			}
		}
		f.mu.Lock()
		at := slices.Index(p.waiters, w)
		switch {
		case at < 0: // granted in the same moment
			f.mu.Unlock()
			g := <-w.got
			return g.m, g.err
		case ctx.Err() == nil && (at < p.starting+p.soon || !f.full && time.Since(f.lastStart) < f.o.QueueWait):
			// One for it is starting, or the line moves: it isn't memory that is short.
			f.mu.Unlock()
			patience.Reset(f.o.QueueWait)
			continue
		}
		p.waiters = slices.Delete(p.waiters, at, at+1)
		f.mu.Unlock()
		return nil, failure
	}
}

func errClosing() error { return wick.Errorf(wick.Unavailable, "The service is shutting down.") }

// poolOf returns fn's pool, making it if need be; f.mu is held.
func (f *Fleet) poolOf(fn *wick.Function) *pool {
	k := key{fn.FunctionID, fn.Version, fn.ConfigHash}
	p := f.pools[k]
	if p == nil {
		p = &pool{key: k, function: fn, members: make(map[*member]struct{}), typical: floorOf(fn.Runtime)}
		f.pools[k] = p
	}
	return p
}

// release takes an instance that is ready for an event: the first who waits gets it.
func (f *Fleet) release(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := m.pool
	m.freed.Store(m.turn)
	m.notSoon()
	if m.stopping {
		return
	}
	now := time.Now()
	old := m.served && !now.Before(m.expires) // each serves at least once
	if !old && f.grant(p, m) {
		return
	}
	if p.retired || f.closing || old {
		f.stop(m)
		f.feed(p)
		return
	}
	m.idleSince = now
	p.idle = append(p.idle, m)
	if len(f.hungry) > 0 {
		f.feedHungry()
	}
}

// grant gives an instance to the first waiter of its pool; f.mu is held.
func (f *Fleet) grant(p *pool, m *member) bool {
	if len(p.waiters) == 0 {
		return false
	}
	w := p.waiters[0]
	p.waiters = slices.Delete(p.waiters, 0, 1)
	m.take()
	w.got <- grant{m: m}
	return true
}

// discard stops an instance that is of no more use to the one who had acquired it.
func (f *Fleet) discard(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop(m)
}

// feed starts what a pool's waiters lack; f.mu is held. While others stand in line for
// a start or for memory, it stands in line too.
func (f *Fleet) feed(p *pool) {
	f.countOnSoon(p)
	if !p.hungry && p.lacks() > 0 {
		p.hungry = true
		f.hungry = append(f.hungry, p)
	}
	f.feedHungry()
}

// feedHungry starts instances for the pools in line, one for each in turn so that no
// function's burst keeps the others waiting, until nothing more can be started; f.mu
// is held.
func (f *Fleet) feedHungry() {
	for len(f.hungry) > 0 && !f.closing {
		p := f.hungry[0]
		if p.lacks() > 0 {
			if f.starting >= f.o.MaxStarting {
				return
			}
			if f.full = !f.makeRoom(p); f.full {
				return
			}
			f.startOne(p)
		}
		f.hungry = slices.Delete(f.hungry, 0, 1)
		if p.hungry = p.lacks() > 0; p.hungry {
			f.hungry = append(f.hungry, p)
		} else {
			f.dropIfEmpty(p)
		}
	}
}

// startOne begins to start an instance of a pool; f.mu is held.
func (f *Fleet) startOne(p *pool) {
	m := &member{pool: p, bytes: p.typical, expires: f.expiry(time.Now())}
	p.starting++
	f.starting++
	f.lastStart = time.Now()
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
	f.mu.Unlock()
	return inst.Assign(f.ctx, plan, fn)
}

// stop ends a member in the background; f.mu is held. It counts until it is gone.
func (f *Fleet) stop(m *member) {
	if m.stopping {
		return
	}
	m.stopping = true
	m.notSoon()
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

// Retire ends the instances of a function version whose configuration isn't current,
// now if idle, else after their event. An empty current retires all.
func (f *Fleet) Retire(id wick.FunctionID, version, current string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, p := range f.pools {
		if k.function != id || k.version != version {
			continue
		}
		if k.config == current && current != "" {
			p.retired = false // what was changed back, or is made again, is current again
			continue
		}
		p.retired = true
		if current == "" { // one of the same name and configuration gets others
			for m := range p.members {
				m.expires = time.Time{}
			}
		}
		for len(p.idle) > 0 {
			f.stop(p.idle[len(p.idle)-1])
		}
		f.dropIfEmpty(p)
	}
}

// Instances returns the state of every instance, oldest first.
func (f *Fleet) Instances() []wick.InstanceStatus {
	f.mu.Lock()
	var all []*instance.Instance
	for _, p := range f.pools {
		for m := range p.members {
			all = append(all, m.inst)
		}
	}
	f.mu.Unlock()
	return statusesOf(all)
}

func statusesOf(all []*instance.Instance) []wick.InstanceStatus {
	slices.SortFunc(all, func(a, b *instance.Instance) int { return a.Born().Compare(b.Born()) })
	now := time.Now()
	statuses := make([]wick.InstanceStatus, len(all))
	for n, i := range all {
		statuses[n] = i.Status(now)
	}
	return statuses
}

// Close takes no more events, waits for those under way until ctx ends, stops every
// instance, and returns when they are gone. It can be called twice.
func (f *Fleet) Close(ctx context.Context) {
	f.mu.Lock()
	f.closing = true
	for _, p := range f.pools {
		for _, w := range p.waiters {
			w.got <- grant{err: errClosing()}
		}
		p.waiters = nil
		for len(p.idle) > 0 {
			f.stop(p.idle[len(p.idle)-1])
		}
	}
	for _, s := range f.stocks {
		f.dropStems(s, 0)
	}
	f.mu.Unlock()
	f.cancel()
	f.awaitEmpty(ctx)

	f.mu.Lock()
	for _, p := range f.pools {
		for m := range p.members {
			f.stop(m)
		}
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// awaitEmpty returns when no instance is left, or ctx ends.
func (f *Fleet) awaitEmpty(ctx context.Context) {
	for {
		f.mu.Lock()
		left := 0
		for _, p := range f.pools {
			left += len(p.members) + p.starting
		}
		changed := f.changed
		f.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
