package control

import (
	"context"
	"sync"

	"github.com/wick-run/wick"
)

// turns lets the changes of one function happen one after another, from before the
// commit until the change has been made known; changes of different functions don't
// wait for each other. Without it, two commits could be made known in the wrong
// order, and the cache would keep the older.
type turns struct {
	mu    sync.Mutex
	queue map[wick.FunctionID]*turn // guarded by mu
}

type turn struct {
	taken   chan struct{} // holds a token while somebody has the turn
	waiting int           // those who have it or wait for it; guarded by turns.mu
}

// take waits for a function's turn; end gives it back.
func (t *turns) take(ctx context.Context, id wick.FunctionID) (end func(), err error) {
	t.mu.Lock()
	if t.queue == nil {
		t.queue = map[wick.FunctionID]*turn{}
	}
	q := t.queue[id]
	if q == nil {
		q = &turn{taken: make(chan struct{}, 1)}
		t.queue[id] = q
	}
	q.waiting++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.waiting--; q.waiting == 0 {
			delete(t.queue, id)
		}
	}
	select {
	case q.taken <- struct{}{}:
		return func() { <-q.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
