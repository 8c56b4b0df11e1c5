package logs

import (
	"context"
	"sync"
	"time"
	"unsafe"

	"github.com/wick-run/wick"
)

// Outline is what is known of a stored run of a stream's records without its text.
type Outline struct {
	Stream      string
	First, Last time.Time // timestamps of its oldest and newest record
	Records     int
	Bytes       int64 // of text, with a few for each record
}

// Gather is Scan for whom the order doesn't matter: emit is called with the records a query
// selects, those of one stream mostly as they came. whole, when it isn't nil, is asked
// first of each stored run that is selected to its last record; a run that it takes, by
// returning true, isn't read. emit must not keep the slice; messages are parts of longer
// texts, so what is kept of them is to be cloned. whole is called while emit is. The query's
// limits aren't obeyed.
func (l *Logs) Gather(ctx context.Context, q Query, whole func(*Outline) bool, emit func([]wick.LogEvent) error) error {
	v, err := l.view(q, false)
	if err != nil {
		return err
	}
	defer v.release()
	if err := emitAll(v.fromMemory(nil), emit); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	g := gatherer{view: v, whole: whole, batches: make(chan *batch, 2*gatherWorkers), memory: map[start]bool{}}
	for key := range v.memory {
		g.memory[start{key.stream, key.first.seq}] = true
	}
	work := make(chan *batch)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		defer close(g.batches)
		defer close(work)
		g.failed = g.list(ctx, work)
	})
	for range gatherWorkers {
		all.Go(func() {
			for b := range work {
				b.events, b.err = v.fetch(ctx, b.ids)
				close(b.done)
			}
		})
	}
	for b := range g.batches {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.err != nil {
			return b.err
		}
		if err := emitAll(b.events, emit); err != nil {
			return err
		}
	}
	return g.failed // set before batches was closed
}

// gatherWorkers read text while it is looked at, gatherChunks at once; outlines is how
// many are listed at once.
const (
	gatherWorkers = 2
	gatherChunks  = 8
	outlines      = 2000
)

// gatherer finds which chunks are to be read.
type gatherer struct {
	*view
	whole   func(*Outline) bool
	memory  map[start]bool // what was read from memory
	batches chan *batch    // in the order they were found in
	failed  error
}

// start is where a chunk begins.
type start struct {
	stream string
	seq    int64
}

// batch are chunks that are read at once.
type batch struct {
	ids    []int64
	done   chan struct{} // closed when the following is set
	events []wick.LogEvent
	err    error
}

// list goes through the outlines of chunks, oldest first, and has those read that aren't
// taken.
func (g *gatherer) list(ctx context.Context, work chan<- *batch) error {
	seen := map[int64]time.Time{}
	next := &batch{done: make(chan struct{})}
	send := func() bool {
		select {
		case g.batches <- next: // first, so that whoever waits for it ends
		case <-ctx.Done():
			return false
		}
		select {
		case work <- next:
		case <-ctx.Done():
			return false
		}
		next = &batch{done: make(chan struct{})}
		return true
	}
	q := wick.LogQuery{Group: g.q.Group, Streams: g.q.Streams, From: g.q.From, To: g.q.To, RequestID: g.q.RequestID, NoData: true, Limit: outlines}
	for {
		page, err := g.l.o.Store.Chunks(ctx, q)
		if err != nil {
			return err
		}
		fresh := false
		for i := range page {
			c := &page[i]
			if _, ok := seen[c.ID]; ok {
				continue
			}
			fresh = true
			seen[c.ID] = c.Last
			if g.takes(c) {
				continue
			}
			if next.ids = append(next.ids, c.ID); len(next.ids) == gatherChunks && !send() {
				return ctx.Err()
			}
		}
		switch {
		case len(page) < q.Limit:
			if len(next.ids) > 0 && !send() {
				return ctx.Err()
			}
			return nil
		case !fresh: // more chunks overlap here than a page has
			q.Limit *= 2
			continue
		}
		q.From = page[len(page)-1].First
		for id, last := range seen {
			if last.Before(q.From) {
				delete(seen, id)
			}
		}
	}
}

// takes says whether a chunk is taken as it is outlined.
func (g *gatherer) takes(c *wick.StoredLogChunk) bool {
	q := &g.q
	if g.whole == nil || q.Filter != nil || q.RequestID != "" || q.After != nil || q.Before != nil ||
		c.First.Before(q.From) || !q.To.IsZero() && !c.Last.Before(q.To) {
		return false
	}
	// Not all of it may have been there when the view began, or it was read from memory.
	g.group.mu.Lock()
	later, ok := g.watch.first[c.Stream]
	g.group.mu.Unlock()
	if ok && later.seq < c.FirstSeq+int64(c.Records) || g.memory[start{c.Stream, c.FirstSeq}] {
		return false
	}
	return g.whole(&Outline{Stream: c.Stream, First: c.First, Last: c.Last, Records: c.Records, Bytes: c.RawBytes})
}

// fetch reads chunks and returns their wanted records.
func (v *view) fetch(ctx context.Context, ids []int64) ([]wick.LogEvent, error) {
	chunks, err := v.l.o.Store.Chunks(ctx, wick.LogQuery{Group: v.q.Group, IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range chunks {
		n += chunks[i].Records
	}
	list := make([]wick.LogEvent, 0, n)
	for i := range chunks {
		list = v.fromChunk(list, &chunks[i], record.share)
	}
	return list, nil
}

// share is event without a copy of the text, which nobody may change any more.
func (r record) share(stream string, seq, ingested int64) wick.LogEvent {
	return wick.LogEvent{
		Timestamp: time.UnixMilli(r.millis).UTC(),
		Ingested:  time.UnixMilli(max(ingested, r.millis)).UTC(),
		Stream:    stream,
		Seq:       seq,
		RequestID: shared(r.request),
		Message:   shared(r.message),
	}
}

// shared returns bytes that aren't changed any more as a string.
func shared(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // they were decompressed for this and stay as they are
}
