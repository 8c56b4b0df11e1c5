package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wick-run/wick"
)

// acquire returns an idle instance of fn, which is then the caller's.
func (f *Fleet) acquire(ctx context.Context, fn *wick.Function) (*member, error) {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return nil, errClosing()
	}
	p := f.poolOf(fn)
	if m := f.takeIdle(p); m != nil {
		f.mu.Unlock()
		return m, nil
	}
	w := &waiter{got: make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	f.feed(p)
	f.mu.Unlock()
	if f.o.Waited == nil {
		return f.await(ctx, p, w)
	}
	began := time.Now()
	m, err := f.await(ctx, p, w)
	f.o.Waited(fn, time.Since(began))
	return m, err
}

// acquireIdle is acquire if that needn't wait; else it returns nil.
func (f *Fleet) acquireIdle(fn *wick.Function) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pools[keyOf(fn)]
	if p == nil || f.closing {
		return nil
	}
	return f.takeIdle(p)
}

// takeIdle takes the idle instance that was used last, if there is one; f.mu is held.
func (f *Fleet) takeIdle(p *pool) *member {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	m := p.idle[n-1]
	p.idle = p.idle[:n-1]
	f.take(m)
	return m
}

// take notes that an event is given to an instance; Fleet.mu is held.
func (f *Fleet) take(m *member) {
	m.idleSince, m.served = time.Time{}, true
	m.turn++
	m.busy = true
	m.pool.busy++
	f.busy++
	f.noteBurst(m.pool)
	f.noteCrowd()
}

// notBusy notes that an instance has no event any more; f.mu is held.
func (f *Fleet) notBusy(m *member) {
	if m.busy {
		m.busy = false
		m.pool.busy--
		f.busy--
	}
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
func (p *pool) lacks() int {
	if p.sated {
		return 0
	}
	return len(p.waiters) - p.starting - p.soon
}

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

// growing is how long after the last start of its function a waiter that has waited for
// long goes on waiting.
const growing = 2 * time.Second

// await returns what a waiter gets. It gives up after QueueWait, but not while an
// instance for it is starting, nor while more of its function are started and the machine
// has room for all that wait.
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
				Cause: errors.New("no instance was free for as long as an event may wait (see --queue-wait), and the machine has no room for more (see --memory)"),
			}
		}
		f.mu.Lock()
		at := slices.Index(p.waiters, w)
		switch {
		case at < 0: // granted in the same moment
			f.mu.Unlock()
			g := <-w.got
			return g.m, g.err
		case ctx.Err() == nil && (at < p.starting || !f.full && !p.sated && time.Since(p.lastStart) < growing):
			f.mu.Unlock()
			patience.Reset(growing / 4)
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
	k := keyOf(fn)
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
	f.notBusy(m)
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
	f.take(m)
	w.got <- grant{m: m}
	return true
}

// discard stops an instance that is of no more use to the one who had acquired it.
func (f *Fleet) discard(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop(m)
}
