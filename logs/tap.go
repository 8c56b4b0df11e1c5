package logs

import (
	"context"
	"sync"

	"github.com/wick-run/wick"
)

// Tap is a second outlet for log text: whatever is recorded of the groups it wants
// comes out of it, too, half a second later at most. Recording pays nothing for it and
// never waits: what isn't taken in time is dropped and counted.
//
// It is what the filters of groups and live tail sessions read from.
type Tap struct {
	l        *Logs
	wants    func(wick.LogGroupID) bool
	maxBytes int

	mu      sync.Mutex // guards all below
	queue   []Tapped
	bytes   int
	dropped wick.LogsDropped
	wake    chan struct{} // of size 1: something came
}

// Tapped is a run of records of one stream. It is read only, and may be kept.
type Tapped struct {
	Group  wick.LogGroupID
	Stream string

	raw      []byte
	records  int
	first    position
	ingested int64
}

// Records returns how many there are.
func (b *Tapped) Records() int { return b.records }

// Bytes returns about how much text that is.
func (b *Tapped) Bytes() int { return len(b.raw) }

// Each calls f with each record, in the order they came.
func (b *Tapped) Each(f func(e wick.LogEvent)) {
	seq := b.first.seq
	// The text was put together in this process: it can be read.
	_ = eachRecord(b.raw, b.first.millis, func(r record) {
		f(r.event(b.Stream, seq, b.ingested))
		seq++
	})
}

// Tap opens a tap. wants is called by the writer and must not wait; nil wants all.
// maxBytes is how much text may wait in it; 0 means 4 MiB.
func (l *Logs) Tap(wants func(wick.LogGroupID) bool, maxBytes int) *Tap {
	if maxBytes <= 0 {
		maxBytes = l.o.MaxFollowBytes
	}
	t := &Tap{l: l, wants: wants, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
	l.tapsMu.Lock()
	l.taps[t] = struct{}{}
	l.tapsMu.Unlock()
	return t
}

// Close ends the tap. It can be called twice.
func (t *Tap) Close() {
	t.l.tapsMu.Lock()
	delete(t.l.taps, t)
	t.l.tapsMu.Unlock()
}

// Take waits until something came, and returns all that did. It ends with ctx's error,
// and with ErrClosed after Logs.Close or StopFollowing once nothing is left.
func (t *Tap) Take(ctx context.Context) ([]Tapped, error) {
	for {
		if list := t.TakeNow(); len(list) > 0 {
			return list, nil
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.l.unfollow:
			if list := t.TakeNow(); len(list) > 0 {
				return list, nil
			}
			return nil, ErrClosed
		}
	}
}

// TakeNow returns what came since it was last taken; none without waiting.
func (t *Tap) TakeNow() []Tapped {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.queue
	t.queue, t.bytes = nil, 0
	return list
}

// Done is closed when nothing comes any more: by Logs.Close and StopFollowing.
func (t *Tap) Done() <-chan struct{} { return t.l.unfollow }

// Dropped returns how much was dropped since it was last asked.
func (t *Tap) Dropped() (records, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.dropped
	t.dropped = wick.LogsDropped{}
	return d.Records, d.Bytes
}

func (t *Tap) put(b Tapped) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bytes+len(b.raw) > t.maxBytes && t.bytes > 0 {
		t.dropped.Records += int64(b.records)
		t.dropped.Bytes += int64(len(b.raw))
		return
	}
	t.queue = append(t.queue, b)
	t.bytes += len(b.raw)
	select {
	case t.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// tapped hands a sealed chunk's text to whoever taps its group. The writer calls it,
// once for each chunk, before it gives up the text for its compressed form.
func (l *Logs) tapped(c *chunk) {
	l.tapsMu.Lock()
	defer l.tapsMu.Unlock()
	for t := range l.taps {
		if t.wants == nil || t.wants(c.group.id) {
			t.put(Tapped{Group: c.group.id, Stream: c.stream.name, raw: c.raw, records: c.records, first: c.first, ingested: c.ingested})
		}
	}
}
