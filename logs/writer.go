package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/wick-run/wick"
)

// chunkQueue holds sealed chunks until they are stored, in order.
type chunkQueue struct {
	mu     sync.Mutex
	chunks []*chunk
}

func (q *chunkQueue) push(c *chunk) {
	q.mu.Lock()
	q.chunks = append(q.chunks, c)
	q.mu.Unlock()
}

// Bounds of what is stored in one transaction.
const (
	batchChunks = 256
	batchBytes  = 8 << 20
)

// batch returns the first chunks without taking them out.
func (q *chunkQueue) batch() []*chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, int64(0)
	for n < len(q.chunks) && n < batchChunks && (n == 0 || bytes < batchBytes) {
		bytes += q.chunks[n].size()
		n++
	}
	return append([]*chunk(nil), q.chunks[:n]...)
}

// drop takes the first n chunks out.
func (q *chunkQueue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := copy(q.chunks, q.chunks[n:])
	clear(q.chunks[rest:])
	q.chunks = q.chunks[:rest]
	if rest == 0 {
		q.chunks = nil
	}
}

// run is the writer: it seals what has waited, stores what is sealed, and tries again
// when the store fails.
func (l *Logs) run() {
	defer close(l.done)
	ticker := time.NewTicker(l.o.FlushEvery)
	defer ticker.Stop()
	var r retry
	swept, expired := time.Now(), time.Now()
	for {
		select {
		case <-ticker.C:
			l.sealAll()
			if r.due() {
				_ = l.storeQueued(&r) // told to the operator, and tried again
			}
			if time.Since(swept) > sweepEvery {
				l.sweep()
				swept = time.Now()
			}
			if time.Since(expired) > sweepEvery && !l.sweepStore() {
				expired = time.Now()
			}
		case <-l.kick:
			if r.due() {
				_ = l.storeQueued(&r)
			}
		case answer := <-l.flushes:
			l.sealAll()
			answer <- l.storeQueued(&r)
		case task := <-l.tasks:
			task()
			expired = time.Time{} // there may be much to delete now
		case <-l.closing:
			l.closeErr = l.storeLast(&r)
			return
		}
	}
}

// retry says when to try the store again after it failed.
type retry struct {
	delay time.Duration // 0 while all is well
	next  time.Time
	since time.Time
}

func (r *retry) due() bool { return r.delay == 0 || !time.Now().Before(r.next) }

func (r *retry) failed(longest time.Duration) (first bool) {
	first = r.delay == 0
	if first {
		r.since = time.Now()
	}
	r.delay = min(max(2*r.delay, 100*time.Millisecond), longest)
	r.next = time.Now().Add(r.delay)
	return first
}

// sealAll ends all open chunks.
func (l *Logs) sealAll() {
	l.eachGroup(func(g *group) {
		for len(g.dirty) > 0 {
			g.seal(l, g.dirty[len(g.dirty)-1])
		}
	})
}

// eachGroup calls f with each group, locked.
func (l *Logs) eachGroup(f func(*group)) {
	l.mu.RLock()
	groups := make([]*group, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	l.mu.RUnlock()
	for _, g := range groups {
		g.mu.Lock()
		f(g)
		g.mu.Unlock()
	}
}

// storeQueued stores all sealed chunks, or returns the first error.
func (l *Logs) storeQueued(r *retry) error {
	for {
		batch := l.queue.batch()
		if len(batch) == 0 {
			return nil
		}
		if err := l.store(batch); err != nil {
			if r.failed(l.o.MaxRetryDelay) {
				l.o.Log.Error("log text can't be stored; it is kept in memory and tried again", "error", err, "limitBytes", l.o.MaxPending)
			}
			return err
		}
		if r.delay > 0 {
			l.o.Log.Info("log text is stored again", "after", time.Since(r.since).Round(time.Millisecond))
			*r = retry{}
		}
	}
}

// store puts a batch from the head of the queue into the store and forgets it.
func (l *Logs) store(batch []*chunk) error {
	stored := make([]wick.LogChunk, len(batch))
	for i, c := range batch {
		l.compress(c)
		stored[i] = wick.LogChunk{
			Group: c.group.id, Stream: c.stream.name,
			First: time.UnixMilli(c.oldest).UTC(), Last: time.UnixMilli(c.newest).UTC(),
			FirstSeq: c.first.seq, Records: c.records, RawBytes: c.rawSize,
			RequestIDs: c.ids, Data: c.data,
		}
	}
	// Record never waits for this, and Close must not cut it short.
	if err := l.o.Store.AppendChunks(context.Background(), stored); err != nil {
		return err
	}
	l.queue.drop(len(batch))
	for _, c := range batch {
		c.group.mu.Lock()
		c.group.stored(l, c)
		c.group.mu.Unlock()
	}
	l.tellStored(batch)
	return nil
}

// compress gives a sealed chunk its stored form in the place of its text.
func (l *Logs) compress(c *chunk) {
	if c.raw == nil {
		return // done at an earlier attempt
	}
	l.tapped(c)
	data, ids := l.codec.encode(c), c.requestIDs()
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	saved := int64(len(c.raw) - len(data))
	c.data, c.ids, c.rawSize = data, ids, int64(len(c.raw))
	c.raw, c.requests = nil, nil
	c.stream.bytes -= saved
	l.pending.Add(-saved)
}

// storeLast stops recording and stores what is left, in a few attempts.
func (l *Logs) storeLast(r *retry) error {
	// Whoever records holds a group's mutex and looks at stopped first: when sealAll
	// has been through a group, nothing comes after.
	l.stopped.Store(true)
	l.sealAll()
	var err error
	for range 3 {
		if err = l.storeQueued(r); err == nil {
			// With the room that is there now, streams have said what was dropped.
			l.sealAll()
			err = l.storeQueued(r)
		}
		if err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond) // nothing else can happen any more
	}
	lost := 0
	for _, c := range l.queue.chunks {
		lost += c.records
	}
	return fmt.Errorf("%d log records are lost: %w", lost, err)
}

const sweepEvery = time.Minute

// sweep forgets streams that nothing came from for long, and groups without streams.
func (l *Logs) sweep() {
	var empty []*group
	l.eachGroup(func(g *group) {
		for _, st := range g.streams {
			g.drop(st)
		}
		if len(g.streams) == 0 && len(g.watches) == 0 {
			empty = append(empty, g)
		}
	})
	for _, g := range empty {
		l.mu.Lock()
		g.mu.Lock()
		if len(g.streams) == 0 && len(g.watches) == 0 {
			g.gone = true
			delete(l.groups, g.id)
		}
		g.mu.Unlock()
		l.mu.Unlock()
	}
}
