package logs

import (
	"context"
	"time"

	"github.com/wick-run/wick"
)

// NewRecord is a record that a client of CloudWatch Logs sends.
type NewRecord struct {
	At      time.Time
	Message string // MaxRecordBytes at most
}

// Put appends records to a stream, with the timestamps they have, and returns when they
// are on stable storage. It fails with Unavailable when there is no room for them, when
// the log is closed, and when ctx ends before the store has taken them; they may then
// be stored all the same.
func (l *Logs) Put(ctx context.Context, id wick.LogGroupID, stream string, records []NewRecord) error {
	bytes := 0
	for i := range records {
		bytes += len(records[i].Message)
	}
	g := l.lockGroup(id)
	if g == nil {
		return wick.Errorf(wick.Unavailable, "%v", ErrClosed)
	}
	st := g.stream(stream)
	if !l.hasRoom(st, bytes) {
		g.mu.Unlock()
		return wick.Errorf(wick.Unavailable, "%s", droppedReason)
	}
	for i := range records {
		g.add(l, st, records[i].At.UnixMilli(), "", []byte(records[i].Message))
	}
	if st.open != nil {
		g.seal(l, st)
	}
	if len(st.sealed) == 0 { // no records, and none waiting
		g.mu.Unlock()
		return nil
	}
	// Chunks are stored in the order they are sealed: with the last all are there.
	last := st.sealed[len(st.sealed)-1]
	if last.isStored == nil {
		last.isStored = make(chan struct{})
	}
	stored := last.isStored
	g.mu.Unlock()
	l.wakeWriter()
	select {
	case <-stored:
		return nil
	case <-l.done:
		select {
		case <-stored:
			return nil
		default:
			return wick.Errorf(wick.Unavailable, "%v", ErrClosed)
		}
	case <-ctx.Done():
		return &wick.Error{Kind: wick.Unavailable, Message: "The log events could not be stored in time.", Cause: ctx.Err()}
	}
}

// DeleteGroup deletes a group with its streams and all text, also what is in memory.
// An instance that goes on writing makes the group anew.
func (l *Logs) DeleteGroup(ctx context.Context, id wick.LogGroupID) error {
	return l.inWriter(ctx, func() error {
		if err := l.o.Groups.DeleteLogGroup(context.WithoutCancel(ctx), id); err != nil {
			return err
		}
		l.forget(id, func(string) bool { return true })
		return nil
	})
}

// DeleteStream deletes a stream with all its text, also what is in memory.
func (l *Logs) DeleteStream(ctx context.Context, id wick.LogGroupID, stream string) error {
	return l.inWriter(ctx, func() error {
		if err := l.o.Groups.DeleteLogStream(context.WithoutCancel(ctx), id, stream); err != nil {
			return err
		}
		l.forget(id, func(name string) bool { return name == stream })
		return nil
	})
}

// inWriter runs f in the writer's goroutine, where nothing is being stored.
func (l *Logs) inWriter(ctx context.Context, f func() error) error {
	answer := make(chan error, 1)
	select {
	case l.tasks <- func() { answer <- f() }:
		return <-answer
	case <-l.closing:
		return wick.Errorf(wick.Unavailable, "%v", ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget drops what is in memory of a group's streams. It runs in the writer.
func (l *Logs) forget(id wick.LogGroupID, wanted func(stream string) bool) {
	g := l.lockGroup(id)
	if g == nil {
		return
	}
	defer g.mu.Unlock()
	gone := map[*chunk]bool{}
	for name, st := range g.streams {
		if !wanted(name) {
			continue
		}
		if st.open != nil {
			g.seal(l, st)
		}
		for _, c := range st.sealed {
			gone[c] = true
			if c.isStored != nil {
				close(c.isStored) // stored, and deleted
			}
		}
		l.pending.Add(-st.bytes)
		delete(g.streams, name)
	}
	l.queue.remove(gone)
}

// remove takes chunks out, wherever they are.
func (q *chunkQueue) remove(gone map[*chunk]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.chunks[:0]
	for _, c := range q.chunks {
		if !gone[c] {
			kept = append(kept, c)
		}
	}
	clear(q.chunks[len(kept):])
	q.chunks = kept
}

// sweptChunks bounds what one sweep of the store deletes, so that writers needn't wait
// long for it.
const sweptChunks = 200

// sweepStore deletes some of what retention or a deletion is over with, and says
// whether there is more.
func (l *Logs) sweepStore() (more bool) {
	if l.o.Groups == nil {
		return false
	}
	n, err := l.o.Groups.SweepLogs(context.Background(), time.Now(), sweptChunks)
	if err != nil {
		l.o.Log.Error("old log text can't be deleted; it is tried again", "error", err)
		return false
	}
	return n >= sweptChunks
}
