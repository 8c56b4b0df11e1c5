package otlp

import (
	"sync"
	"sync/atomic"
)

// stats count items of one signal.
type stats struct{ sent, dropped, said atomic.Int64 }

// queue holds what waits to be sent, up to a size. Putting never waits: what there is no
// room for is dropped and counted.
type queue[T any] struct {
	limit int
	stats *stats
	full  chan struct{} // of size 1: a batch is complete

	mu     sync.Mutex // guards all below
	items  []T
	sizes  []int
	bytes  int
	closed bool
}

func newQueue[T any](limit int, s *stats) *queue[T] {
	return &queue[T]{limit: limit, stats: s, full: make(chan struct{}, 1)}
}

// put queues an item that takes about so many bytes.
func (q *queue[T]) put(item T, size int) {
	q.mu.Lock()
	if q.closed || q.bytes+size > q.limit {
		q.mu.Unlock()
		q.stats.dropped.Add(1)
		return
	}
	q.items = append(q.items, item)
	q.sizes = append(q.sizes, size)
	q.bytes += size
	full := len(q.items) >= maxBatch || q.bytes >= maxBatchBytes
	q.mu.Unlock()
	if full {
		select {
		case q.full <- struct{}{}:
		default: // somebody has said so
		}
	}
}

// take returns the first items, up to a number and a size, but one at least if there is one.
func (q *queue[T]) take(most, bytes int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.items) && n < most && (n == 0 || size+q.sizes[n] <= bytes) {
		size += q.sizes[n]
		n++
	}
	batch := append([]T(nil), q.items[:n]...)
	if n == len(q.items) {
		q.items, q.sizes = nil, nil
	} else {
		clear(q.items[:n]) // what they refer to can go
		q.items, q.sizes = q.items[n:], q.sizes[n:]
	}
	q.bytes -= size
	return batch
}

// close drops whatever comes from now on.
func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
