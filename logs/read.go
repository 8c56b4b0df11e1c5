package logs

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/wick-run/wick"
)

// Read returns the records a query selects, in order of time; those of one stream as
// they came. All of them are in memory at once: Scan does without.
func (l *Logs) Read(ctx context.Context, q Query) ([]wick.LogEvent, error) {
	var all []wick.LogEvent
	err := l.Scan(ctx, q, func(some []wick.LogEvent) error {
		all = append(all, some...)
		return nil
	})
	return all, err
}

// Scan calls emit with the records a query selects as they are now, in order of time
// and in pieces, until there are no more or emit fails. emit must not keep the slice.
func (l *Logs) Scan(ctx context.Context, q Query, emit func([]wick.LogEvent) error) error {
	v, err := l.view(q, false)
	if err != nil {
		return err
	}
	defer v.release()
	return v.read(ctx, emit)
}

// read emits what the view's query selects.
func (v *view) read(ctx context.Context, emit func([]wick.LogEvent) error) error {
	if v.q.Limit <= 0 {
		return v.scan(ctx, emit)
	}
	list, err := v.newest(ctx)
	if err != nil {
		return err
	}
	return emitAll(list, emit)
}

// Follow is Scan that goes on with what comes, each record exactly once: those that
// are there in order of time, later ones as they come. It returns when ctx ends or
// emit fails, with that error, and with ErrClosed after Close or StopFollowing. A slow emit holds
// nobody up. q.To must be zero.
func (l *Logs) Follow(ctx context.Context, q Query, emit func([]wick.LogEvent) error) error {
	v, err := l.view(q, true)
	if err != nil {
		return err
	}
	defer func() { v.release() }()
	delivered := map[string]position{}
	deliver := func(some []wick.LogEvent) error {
		for i := range some {
			p := position{some[i].Timestamp.UnixMilli(), some[i].Seq}
			if delivered[some[i].Stream].before(p) { // in order of time, which numbers needn't be in
				delivered[some[i].Stream] = p
			}
		}
		return emit(some)
	}
	if err := v.read(ctx, deliver); err != nil {
		return err
	}
	v.settle()
	for {
		some, came, lagged := v.take()
		if err := emitAll(some, deliver); err != nil {
			return err
		}
		if lagged {
			if v, err = v.again(delivered); err != nil {
				return err
			}
			if err := v.scan(ctx, deliver); err != nil {
				return err
			}
			v.settle()
			continue
		}
		if came {
			continue
		}
		select {
		case <-v.watch.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.unfollow:
			if some, _, _ := v.take(); len(some) > 0 {
				if err := deliver(some); err != nil {
					return err
				}
			}
			return ErrClosed
		}
	}
}

// settle lets go of what only reading needs: it would be kept, and grow with every new
// stream, as long as the follower stays.
func (v *view) settle() {
	v.group.mu.Lock()
	defer v.group.mu.Unlock()
	v.memory, v.watch.first = nil, nil
}

// take returns what came since it was last called and is wanted, whether anything came,
// and whether more came than was kept.
func (v *view) take() (some []wick.LogEvent, came, lagged bool) {
	w := v.watch
	v.group.mu.Lock()
	some, w.queue, w.bytes = w.queue, nil, 0
	lagged = w.lagged
	v.group.mu.Unlock()
	came = len(some) > 0
	if f := v.q.Filter; f != nil {
		some = slices.DeleteFunc(some, func(e wick.LogEvent) bool { return !f.Match(e.Message) })
	}
	return some, came, lagged
}

// again returns a new view for a follower that lagged, of all that it has not
// delivered. The new one begins before the old one ends: nothing falls between.
func (v *view) again(delivered map[string]position) (*view, error) {
	next, err := v.l.view(v.q, true)
	if err != nil {
		return v, err
	}
	v.release()
	v.group.mu.Lock()
	from := time.UnixMilli(v.watch.lagFrom)
	v.group.mu.Unlock()
	next.delivered = maps.Clone(delivered)
	if from.After(next.q.From) {
		next.q.From = from
	}
	return next, nil
}
