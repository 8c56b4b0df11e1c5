package logs

import (
	"context"

	"github.com/wick-run/wick"
)

// StoredRun is a run of records that is in the store: of one stream, in the order they
// came.
type StoredRun struct {
	// ID rises in the order of storing, whatever the group.
	ID int64
	Tapped
}

// After returns what was stored of a group behind an ID, limit runs at most, in the order
// of storing: whoever remembers the ID it has come to misses nothing, and needs nothing
// else. Of a run that can't be read the records are left out, and the operator's log says
// so.
func (l *Logs) After(ctx context.Context, group wick.LogGroupID, id int64, limit int) ([]StoredRun, error) {
	chunks, err := l.o.Store.Chunks(ctx, wick.LogQuery{Group: group, Stored: &id, Limit: limit})
	if err != nil {
		return nil, err
	}
	runs := make([]StoredRun, 0, len(chunks))
	for i := range chunks {
		c := &chunks[i]
		run := StoredRun{ID: c.ID, Tapped: Tapped{Group: group, Stream: c.Stream}}
		raw, first, ingested, err := l.codec.decode(c.Data)
		if err != nil {
			l.o.Log.Error("a log chunk in the store can't be read", "chunk", c.ID, "stream", c.Stream, "error", err)
		} else {
			run.raw, run.records, run.first, run.ingested = raw, c.Records, position{first, c.FirstSeq}, ingested
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// OnStored has f called with each group of which something was stored, until the function
// it returns. The writer calls f, which must not wait.
func (l *Logs) OnStored(f func(wick.LogGroupID)) (stop func()) {
	l.tapsMu.Lock()
	defer l.tapsMu.Unlock()
	if l.stored == nil {
		l.stored = map[*func(wick.LogGroupID)]struct{}{}
	}
	key := &f
	l.stored[key] = struct{}{}
	return func() {
		l.tapsMu.Lock()
		delete(l.stored, key)
		l.tapsMu.Unlock()
	}
}

// tellStored tells of what was just stored.
func (l *Logs) tellStored(batch []*chunk) {
	l.tapsMu.Lock()
	defer l.tapsMu.Unlock()
	if len(l.stored) == 0 {
		return
	}
	told := map[wick.LogGroupID]bool{}
	for _, c := range batch {
		if id := c.group.id; !told[id] {
			told[id] = true
			for f := range l.stored {
				(*f)(id)
			}
		}
	}
}
