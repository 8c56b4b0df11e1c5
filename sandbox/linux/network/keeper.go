//go:build linux

package network

import (
	"errors"
	"slices"
	"time"
)

const (
	// trimEvery is how often idle slots beyond maxIdle are removed, trimBatch how many
	// at once: a burst of a thousand is gone in half a minute, in thirty short
	// interruptions of the kernel's network configuration.
	trimEvery = time.Second
	trimBatch = 32
	// washBatch is how many slots are cleaned together: the more, the less each costs,
	// and the longer a Take that needs one waits.
	washBatch = 64
	// gather is how long a released slot waits for others to be cleaned together with,
	// while enough are ready: looking through all processes costs the same for one.
	gather = 20 * time.Millisecond
	// retryMaking is how long filling ahead pauses after a failure.
	retryMaking = 5 * time.Second
	// makeAhead is how long after the pool's opening slots are made ahead: the first
	// sandboxes, whose start that would delay, make what they lack themselves.
	makeAhead = 250 * time.Millisecond
	// routesEvery bounds how often the host's routes are looked through for new ways
	// outside; some hosts' change all the time.
	routesEvery = time.Second
)

// settle is how long a released slot that still has open sockets is given before
// each new look: the host's own ends of connections may be closed a little later.
var settle = []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second}

// dirtySpace waits for cleaning.
type dirtySpace struct {
	space *space
	tries int
	due   time.Time
	err   error // of the last try
}

// maxIdle is how many clean slots of a kind may wait at most.
func (p *Pool) maxIdle() int { return 2*p.options.Ahead + 8 }

// keep is the pool's one background goroutine: it prepares the host, cleans what was
// released, makes slots ahead and removes those too many. It looks whenever a slot
// was taken or released, and sleeps otherwise.
func (p *Pool) keep() {
	defer close(p.kept)
	p.prepare()
	close(p.prepared)

	var routesChanged <-chan struct{}
	if p.outside != nil {
		routesChanged = p.outside.watch.changed
	}
	makeAfter := time.Now().Add(makeAhead)
	var trimAfter, routesAfter time.Time
	changed := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.closing:
			return
		case <-p.work:
		case <-routesChanged:
			changed = true
		case <-timer.C:
		}
		var next time.Time // when to look again if nothing happens
		sooner := func(t time.Time) {
			if !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
		sooner(p.clean())
		if now := time.Now(); now.After(makeAfter) {
			if err := p.fill(); err != nil {
				p.log.Warn("no network slot made ahead", "error", err)
				makeAfter = now.Add(retryMaking)
				sooner(makeAfter)
			}
		} else {
			sooner(makeAfter)
		}
		if now := time.Now(); p.excess() == 0 {
			trimAfter = now.Add(trimEvery) // an excess may last that long: it may be wanted again
		} else {
			if now.After(trimAfter) {
				p.trim()
				trimAfter = now.Add(trimEvery)
			}
			sooner(trimAfter)
		}
		if changed && time.Now().After(routesAfter) {
			changed = false
			routesAfter = time.Now().Add(routesEvery)
			if err := p.outside.reopen(p.route); err != nil {
				p.log.Warn("a new way outside may not work for functions", "error", err)
			}
		} else if changed {
			sooner(routesAfter)
		}
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// fill makes slots until Ahead of each wanted kind are ready. It stops while a Take
// is making its own (which wakes the keeper when it is done), and when the pool closes.
func (p *Pool) fill() error {
	for {
		k, ok := p.short()
		if !ok || len(p.makers) > 0 {
			return nil
		}
		sp, err := p.make(k)
		if err != nil {
			return err
		}
		p.putBack(sp)
	}
}

// short names a kind of which fewer than Ahead are ready. Dirty slots count: they
// are clean in a moment.
func (p *Pool) short() (kind, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, false
	}
	var dirty [kinds]int
	for _, d := range p.dirty {
		dirty[d.space.kind()]++
	}
	for k := range kinds {
		if k == linked && p.outside == nil {
			continue
		}
		if p.wanted[k] && len(p.idle[k])+dirty[k] < p.options.Ahead {
			return k, true
		}
	}
	return 0, false
}

// putBack makes a clean slot available.
func (p *Pool) putBack(sp *space) {
	k := sp.kind()
	p.mu.Lock()
	p.idle[k] = append(p.idle[k], sp)
	p.mu.Unlock()
	p.signal(k)
}

// clean cleans what was released and is due, and returns when to look again; zero
// when nothing waits.
func (p *Pool) clean() (next time.Time) {
	due, next := p.due(time.Now())
	if len(due) == 0 {
		return next
	}
	defer func() { // those waiting for a slot to become clean may have waited in vain
		for k := range kinds {
			p.signal(k)
		}
	}()
	var odd []*space
	var later []dirtySpace
	for _, d := range p.wash(due) {
		switch {
		case d.err == nil:
			p.putBack(d.space)
		case errors.Is(d.err, errBusy) && d.tries < len(settle):
			d.due = time.Now().Add(settle[d.tries])
			d.tries++
			later = append(later, d)
			if next.IsZero() || d.due.Before(next) {
				next = d.due
			}
		default:
			p.log.Warn("network slot not used again", "reason", d.err)
			odd = append(odd, d.space)
		}
	}
	p.mu.Lock()
	p.dirty = append(p.dirty, later...)
	for _, d := range due {
		if d.tries == 0 {
			p.backlog[d.space.kind()]--
		}
	}
	p.mu.Unlock()
	p.destroy(odd)
	return next
}

// due takes from the dirty slots up to washBatch that are due, with those that only wait
// for company, and says when the next of the others is.
func (p *Pool) due(now time.Time) (due []dirtySpace, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []dirtySpace
	begin := slices.ContainsFunc(p.dirty, func(d dirtySpace) bool { return !d.due.After(now) })
	for _, d := range p.dirty {
		if (!d.due.After(now) || begin && d.tries == 0) && len(due) < washBatch {
			due = append(due, d)
			continue
		}
		rest = append(rest, d)
		at := d.due
		if at.IsZero() {
			at = now // more than a batch was released
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	p.dirty = rest
	return due, next
}

// excess returns how many idle slots are too many.
func (p *Pool) excess() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for k := range kinds {
		n += max(0, len(p.idle[k])-p.maxIdle())
	}
	return n
}

// trim removes up to trimBatch idle slots that are too many, longest idle first.
func (p *Pool) trim() {
	var old []*space
	p.mu.Lock()
	for k := range kinds {
		n := min(len(p.idle[k])-p.maxIdle(), trimBatch-len(old))
		if n <= 0 {
			continue
		}
		old = append(old, p.idle[k][:n]...)
		p.idle[k] = append([]*space(nil), p.idle[k][n:]...)
	}
	p.mu.Unlock()
	p.destroy(old)
}

// destroy removes slots, all links at once.
func (p *Pool) destroy(spaces []*space) {
	if len(spaces) == 0 {
		return
	}
	var errs []error
	var numbers []int
	for _, sp := range spaces {
		if sp.link != nil {
			errs = append(errs, doom(p.route, *sp.link, p.names))
			numbers = append(numbers, sp.link.number)
		}
	}
	if len(numbers) > 0 {
		errs = append(errs, deleteGroup(p.names.doomed))
	}
	for _, sp := range spaces {
		errs = append(errs, sp.ns.Close())
	}
	p.mu.Lock()
	for _, sp := range spaces {
		delete(p.spaces, sp)
	}
	p.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		p.log.Warn("network slots not removed cleanly", "error", err)
		return // their numbers stay out of use: their interfaces may still be there
	}
	p.freeNumbers(numbers...)
}

func (sp *space) kind() kind {
	if sp.link != nil {
		return linked
	}
	return plain
}
