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
	// Waited is told of each event that no idle instance was there for, and how long it
	// then took until it had one, or was refused; nil: nobody is.
	Waited func(fn *wick.Function, wait time.Duration)
	Log    *slog.Logger
}

// Fleet is all instances of a server.
type Fleet struct {
	o      Options
	ctx    context.Context // of starts; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // starts, stops, the housekeeper, the stocker
	short  chan struct{}  // wakes the stocker
	burst  chan struct{}  // wakes who shares out the CPUs
	crowd  chan struct{}  // has them looked at again

	soonLimit time.Duration
	cpuClock  cpuClock // keepPressure's

	mu        sync.Mutex // guards all below
	pools     map[key]*pool
	used      int64 // bytes of all members, stopping ones included
	leaving   int64 // bytes of those being stopped
	starting  int
	lastStart time.Time
	busy      int               // members that work on an event
	lookedAt  time.Time         // at what instances want of the CPUs
	strained  bool              // a pool is sated, or its members haven't the usual part of the CPUs
	resting   bool              // nobody looks at the CPUs, since too little is at work
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

func keyOf(fn *wick.Function) key { return key{fn.FunctionID, fn.Version, fn.ConfigHash} }

type pool struct {
	key       key
	function  *wick.Function
	members   map[*member]struct{} // all that have an instance
	idle      []*member            // the last was used last
	waiters   []*waiter            // the first came first
	starting  int
	lastStart time.Time
	busy      int         // members that work on an event
	looked    int         // members that are looked at for what they want of the CPUs
	demand    float64     // of CPUs, by those at work, as last known, or guessed
	use       float64     // of CPUs, by them
	demandAt  time.Time   // when it was known
	greedy    bool        // that is more than its part of them
	sated     bool        // its members lack CPUs, and nothing else: more of them would be of no use
	eased     int         // looks since that was last seen
	soon      int         // members that have answered and will ask for more in a moment
	patience  *time.Timer // while waiters count on them
	retired   bool        // out of date: serves those who wait already, then ends
	typical   int64       // bytes an instance of it was last seen to use
	hungry    bool        // in Fleet.hungry
}

// member is an instance in its pool.
type member struct {
	pool      *pool
	inst      *instance.Instance
	bytes     int64     // what it counts for in Fleet.used
	idleSince time.Time // zero while it isn't idle
	expires   time.Time
	measured  time.Time
	served    bool          // it has been given an event
	turn      int64         // how many it has been given
	freed     atomic.Int64  // the last turn it has been released from
	soon      bool          // it counts in pool.soon
	busy      bool          // it counts in pool.busy and Fleet.busy
	weight    int           // as last set
	ran       time.Duration // as last measured
	wanted    time.Duration // of the CPUs, as last measured; 0: not yet
	wantedAt  time.Time
	looked    bool // it counts in pool.looked
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
		short: make(chan struct{}, 1), burst: make(chan struct{}, 1), crowd: make(chan struct{}, 1), changed: make(chan struct{}), soonLimit: soonLimit,
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.keepHouse)
	f.wg.Go(f.keepPressure)
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
	return f.invoke(ctx, fn, inv, nil)
}

// invoke is Invoke, with an instance that was acquired already unless m is nil.
func (f *Fleet) invoke(ctx context.Context, fn *wick.Function, inv *instance.Invocation, m *member) (*instance.Answer, error) {
	for {
		if m == nil {
			var err error
			if m, err = f.acquire(ctx, fn); err != nil {
				return nil, err
			}
		}
		turn := m.turn
		a, err := m.inst.Invoke(inv)
		if err == nil {
			f.answered(m, turn)
			return a, nil
		}
		if err := f.failed(m, fn, err); err != nil {
			return nil, err
		}
		m = nil
	}
}

// Start is Invoke for a caller that doesn't wait: done is called once with what Invoke
// would return, perhaps before Start returns. It must not wait for anything.
func (f *Fleet) Start(ctx context.Context, fn *wick.Function, inv *instance.Invocation, done func(*instance.Answer, error)) {
	m := f.acquireIdle(fn)
	if m == nil || inv.Tail {
		go func() { done(f.invoke(ctx, fn, inv, m)) }()
		return
	}
	turn := m.turn
	err := m.inst.Start(inv, func(a *instance.Answer, err error) {
		if err == nil {
			f.answered(m, turn)
		} else {
			f.discard(m)
		}
		done(a, err)
	})
	if err == nil {
		return
	}
	if err = f.failed(m, fn, err); err != nil {
		done(nil, err)
		return
	}
	go func() { done(f.Invoke(ctx, fn, inv)) }()
}

// failed discards an instance that returned an error, and returns it if it is the
// event's end, too.
func (f *Fleet) failed(m *member, fn *wick.Function, err error) error {
	f.discard(m)
	if !errors.Is(err, instance.ErrNotDelivered) {
		return err
	}
	f.o.Log.Warn("an instance could not take an event; another gets it", "function", fn.Name, "error", err)
	return nil
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

// Renew ends the instances that would be made in another way now, by another interpreter
// or with another SDK: those that are idle, the others after their event, and those booted
// ahead.
func (f *Fleet) Renew() {
	f.mu.Lock()
	functions := make(map[*pool]*wick.Function, len(f.pools))
	for _, p := range f.pools {
		functions[p] = p.function
	}
	stocks := make(map[*stock]string, len(f.stocks))
	for _, s := range f.stocks {
		stocks[s] = s.plan.Match.Runtime
	}
	f.mu.Unlock()
	current := make(map[string]string) // StemKey by runtime; "" where nothing runs it any more
	for _, fn := range functions {
		current[fn.Runtime] = ""
	}
	for _, runtime := range stocks {
		current[runtime] = ""
	}
	for runtime := range current {
		if m, err := f.o.Host.Runtimes.Match(runtime, false); err == nil {
			current[runtime] = m.StemKey()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, fn := range functions {
		for m := range p.members {
			if m.inst == nil || m.inst.StemKey() == current[fn.Runtime] {
				continue
			}
			m.expires = time.Time{}
			if slices.Contains(p.idle, m) {
				f.stop(m)
			}
		}
		f.dropIfEmpty(p)
	}
	for s, runtime := range stocks {
		if s.plan.Match.StemKey() != current[runtime] {
			s.lastUsed = time.Time{} // what is booting just now goes with the next sweep
			f.dropStems(s, 0)
		}
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
