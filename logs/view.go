package logs

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// Query selects log records of a group.
type Query struct {
	Group     wick.LogGroupID
	Streams   []string  // empty: all
	From, To  time.Time // [From, To); zero: open
	RequestID string    // "": all
	// Filter takes only messages that match; nil takes all.
	Filter *filter.Filter
	// After takes only what comes after a position, Before what comes before one, in
	// the order Scan has; nil is open. From and To bound the search: give them too.
	After, Before *Position
	// Limit takes only the newest so many; 0 takes all.
	Limit int
	// Progress, when it isn't nil, is told by Scan now and then before which time all
	// records have been looked at, those that Filter doesn't take included; its error ends
	// the scan. With Limit it isn't asked.
	Progress func(before time.Time) error
	// LimitBytes, with Limit, takes only as many of the newest as have that much text,
	// but one at least; 0 is no bound.
	LimitBytes int
}

// Position is where a record stands among all of its group, in the order of Scan: by
// time, then by stream, then by number. No two records have the same.
type Position struct {
	Millis int64
	Stream string
	Seq    int64
}

// PositionOf returns a record's position.
func PositionOf(e *wick.LogEvent) Position {
	return Position{e.Timestamp.UnixMilli(), e.Stream, e.Seq}
}

// Compare is negative when p comes before q, positive when it comes after.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Millis, q.Millis), cmp.Compare(p.Stream, q.Stream), cmp.Compare(p.Seq, q.Seq))
}

// between says whether a record is behind After and before Before.
func (q *Query) between(stream string, p position) bool {
	if q.After == nil && q.Before == nil {
		return true
	}
	at := Position{p.millis, stream, p.seq}
	return (q.After == nil || at.Compare(*q.After) > 0) && (q.Before == nil || at.Compare(*q.Before) < 0)
}

// watch stands in a group from the moment a reader began, and tells what came after
// that moment from what was there. All of it is guarded by the group's mutex.
type watch struct {
	q Query
	// first is the first record of each stream that came since the watch began; nil once
	// nobody reads what was there.
	first map[string]position

	// What follows is a follower's: the records that came and it has not taken yet.
	live     bool
	wake     chan struct{} // something came
	queue    []wick.LogEvent
	bytes    int // of text in queue
	maxBytes int
	lagged   bool  // the queue was full: what came since is not in it
	lagFrom  int64 // the least milliseconds of what is not
}

// see is told of each new record of the group, in the order of its stream.
func (w *watch) see(stream string, p position, ingested int64, requestID string, text []byte) {
	if _, ok := w.first[stream]; !ok && w.first != nil {
		w.first[strings.Clone(stream)] = p
	}
	if !w.live || !w.q.wants(stream, p.millis) || w.q.RequestID != "" && w.q.RequestID != requestID {
		return
	}
	// The filter, which may take its time, is the follower's to apply: here everyone who
	// records waits.
	switch {
	case w.lagged:
		w.lagFrom = min(w.lagFrom, p.millis)
	case w.bytes+len(text) > w.maxBytes && w.bytes > 0:
		w.lagged, w.lagFrom = true, p.millis
	default:
		r := record{millis: p.millis, message: text}
		e := r.event(stream, p.seq, ingested)
		e.RequestID = strings.Clone(requestID)
		w.queue = append(w.queue, e)
		w.bytes += len(text)
	}
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// wants says whether a record of a stream at a time is asked for.
func (q *Query) wants(stream string, millis int64) bool {
	if len(q.Streams) > 0 && !slices.Contains(q.Streams, stream) {
		return false
	}
	at := time.UnixMilli(millis)
	return !at.Before(q.From) && (q.To.IsZero() || at.Before(q.To))
}

// millis returns From and To in milliseconds, which is what records have.
func (q *Query) millis() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !q.From.IsZero() {
		from = ceilMillis(q.From)
	}
	if !q.To.IsZero() {
		to = ceilMillis(q.To)
	}
	return from, to
}

// ceilMillis rounds up: a record of a whole millisecond is before a time exactly when it
// is before the next one.
func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// view is a group as it was at one moment: what was in memory then, and the store,
// less what came later. A record is in exactly one of the two: chunks are taken out
// of memory after they are stored, and memory is looked at before the store.
type view struct {
	l     *Logs
	q     Query
	group *group
	watch *watch
	// memory is what was in memory; the store may have it by now.
	memory map[chunkKey]chunkView
	// delivered is where a follower that lagged has come to in each stream.
	delivered map[string]position
}

// chunkKey identifies a chunk wherever it is. The time of ingestion
// is for a clock that was set back, and for chunks of servers that numbered each
// stream's records from 0 whenever it came back.
type chunkKey struct {
	stream   string
	first    position
	ingested int64
}

// chunkView is a chunk as it was: bytes that are added later lie behind the slice.
type chunkView struct{ raw, data []byte }

// view begins to look at a group; the caller ends it with release.
func (l *Logs) view(q Query, live bool) (*view, error) {
	g := l.lockGroup(q.Group)
	if g == nil {
		return nil, ErrClosed
	}
	defer g.mu.Unlock()
	v := &view{l: l, q: q, group: g, memory: map[chunkKey]chunkView{},
		watch: &watch{q: q, first: map[string]position{}, live: live, wake: make(chan struct{}, 1), maxBytes: l.o.MaxFollowBytes}}
	g.watches[v.watch] = struct{}{}
	for name, st := range g.streams {
		for _, c := range st.sealed {
			v.memory[chunkKey{name, c.first, c.ingested}] = chunkView{c.raw, c.data}
		}
		if c := st.open; c != nil {
			v.memory[chunkKey{name, c.first, c.ingested}] = chunkView{c.raw, nil}
		}
	}
	return v, nil
}

func (v *view) release() {
	v.group.mu.Lock()
	delete(v.group.watches, v.watch)
	v.group.mu.Unlock()
}

// fromMemory appends the wanted records that were in memory to list.
func (v *view) fromMemory(list []wick.LogEvent) []wick.LogEvent {
	for key, c := range v.memory {
		if len(v.q.Streams) > 0 && !slices.Contains(v.q.Streams, key.stream) {
			continue
		}
		raw := c.raw
		if raw == nil {
			var err error
			if raw, _, _, err = v.l.codec.decode(c.data); err != nil {
				v.l.o.Log.Error("a log chunk in memory can't be read", "stream", key.stream, "error", err)
				continue
			}
		}
		list = v.decode(list, key, raw, record.event)
	}
	return list
}

// fromStore appends the wanted records of a stored chunk to list.
func (v *view) fromStore(list []wick.LogEvent, c *wick.StoredLogChunk) []wick.LogEvent {
	return v.fromChunk(list, c, record.event)
}

// toEvent makes what readers get of a decoded record: event or share.
type toEvent func(r record, stream string, seq, ingested int64) wick.LogEvent

func (v *view) fromChunk(list []wick.LogEvent, c *wick.StoredLogChunk, event toEvent) []wick.LogEvent {
	raw, first, ingested, err := v.l.codec.decode(c.Data)
	if err != nil {
		v.l.o.Log.Error("a log chunk in the store can't be read", "chunk", c.ID, "stream", c.Stream, "error", err)
		return list
	}
	key := chunkKey{c.Stream, position{first, c.FirstSeq}, ingested}
	if _, ok := v.memory[key]; ok {
		return list // stored meanwhile, and read from memory
	}
	return v.decode(list, key, raw, event)
}

// decode appends the wanted records of a chunk that were there when the view began.
func (v *view) decode(list []wick.LogEvent, key chunkKey, raw []byte, event toEvent) []wick.LogEvent {
	// What came later was seen by the watch before it could be stored and read here.
	v.group.mu.Lock()
	later, anyLater := v.watch.first[key.stream]
	v.group.mu.Unlock()
	had, anyHad := v.delivered[key.stream]
	if len(v.q.Streams) > 0 && !slices.Contains(v.q.Streams, key.stream) {
		return list
	}
	from, to := v.q.millis()

	seq := key.first.seq
	err := eachRecord(raw, key.first.millis, func(r record) {
		p := position{r.millis, seq}
		seq++
		if anyLater && !p.before(later) || anyHad && !had.before(p) {
			return
		}
		if r.millis < from || r.millis >= to || !v.q.between(key.stream, p) || v.q.RequestID != "" && v.q.RequestID != string(r.request) {
			return
		}
		// Most records that are searched don't match: nothing is made of those.
		if v.q.Filter == nil || v.q.Filter.Match(shared(r.message)) {
			list = append(list, event(r, key.stream, p.seq, key.ingested))
		}
	})
	if err != nil {
		v.l.o.Log.Error("a log chunk can't be read to its end", "stream", key.stream, "error", err)
	}
	return list
}

// byTime orders records by time, those of a stream as they came.
func byTime(a, b wick.LogEvent) int {
	return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
}

// scanChunks is how many chunks are read from the store at once, and firstChunks how
// many at first: whoever wants few records stops then.
const (
	scanChunks  = 200
	firstChunks = 10
)

// scan calls emit with the view's records, oldest first, in pieces. It holds no more
// of them in memory than chunks overlap in time.
func (v *view) scan(ctx context.Context, emit func([]wick.LogEvent) error) error {
	held := v.fromMemory(nil) // read and not emitted yet
	seen := map[int64]time.Time{}
	q := wick.LogQuery{Group: v.q.Group, Streams: v.q.Streams, From: v.q.From, To: v.q.To, RequestID: v.q.RequestID, Limit: firstChunks}
	for {
		page, err := v.l.o.Store.Chunks(ctx, q)
		if err != nil {
			return err
		}
		fresh := page[:0:0]
		for i := range page {
			if _, ok := seen[page[i].ID]; !ok {
				seen[page[i].ID] = page[i].Last
				fresh = append(fresh, page[i])
			}
		}
		held = v.fromPage(held, fresh)
		slices.SortFunc(held, byTime)
		if len(page) < q.Limit {
			return emitAll(held, emit)
		}
		if len(fresh) == 0 { // more chunks overlap here than a page has
			q.Limit *= 2
			continue
		}
		// Chunks come by their oldest record: nothing older than that of the last one
		// is still to come.
		q.From = page[len(page)-1].First
		ready, _ := slices.BinarySearchFunc(held, q.From, func(e wick.LogEvent, t time.Time) int { return e.Timestamp.Compare(t) })
		if err := emitAll(held[:ready], emit); err != nil {
			return err
		}
		if v.q.Progress != nil {
			if err := v.q.Progress(q.From); err != nil {
				return err
			}
		}
		held = slices.Clone(held[ready:])
		q.Limit = max(q.Limit, min(4*q.Limit, scanChunks))
		for id, last := range seen {
			if last.Before(q.From) {
				delete(seen, id)
			}
		}
	}
}

// fromPage appends the wanted records of stored chunks to list. Each half of them is
// decoded by its own goroutine: that is most of what a search costs.
func (v *view) fromPage(list []wick.LogEvent, page []wick.StoredLogChunk) []wick.LogEvent {
	half := len(page) / 2
	var first []wick.LogEvent
	var other sync.WaitGroup
	if half > 0 {
		other.Go(func() {
			for i := range page[:half] {
				first = v.fromStore(first, &page[i])
			}
		})
	}
	for i := range page[half:] {
		list = v.fromStore(list, &page[half+i])
	}
	other.Wait()
	return append(list, first...)
}

func emitAll(list []wick.LogEvent, emit func([]wick.LogEvent) error) error {
	if len(list) == 0 {
		return nil
	}
	return emit(list)
}

// newestChunks is how many chunks are read from the store at once, backwards.
const newestChunks = 32

// newest returns the newest records up to the query's limits, oldest first. It holds
// little more in memory than those.
func (v *view) newest(ctx context.Context) ([]wick.LogEvent, error) {
	list, full := v.last(v.fromMemory(nil))
	seen := map[int64]bool{}
	q := wick.LogQuery{Group: v.q.Group, Streams: v.q.Streams, From: v.q.From, To: v.q.To, RequestID: v.q.RequestID, Newest: true, Limit: newestChunks}
	for {
		page, err := v.l.o.Store.Chunks(ctx, q)
		if err != nil {
			return nil, err
		}
		fresh := false
		for i := range page {
			if seen[page[i].ID] {
				continue
			}
			// Chunks come by their newest record, backwards: when that is older than all
			// we have, the rest is too.
			if full && list[0].Timestamp.After(page[i].Last) {
				return own(list), nil
			}
			fresh, seen[page[i].ID] = true, true
			list, full = v.last(v.fromChunk(list, &page[i], record.share))
		}
		if len(page) < q.Limit {
			return own(list), nil
		}
		if !fresh { // more chunks end here than a page has
			q.Limit *= 2
			continue
		}
		if to := page[len(page)-1].Last.Add(time.Millisecond); q.To.IsZero() || to.Before(q.To) {
			q.To = to
		}
		q.Limit = max(q.Limit, min(4*q.Limit, scanChunks))
	}
}

// own gives records texts of their own, so that they don't hold on to whole chunks.
func own(list []wick.LogEvent) []wick.LogEvent {
	for i := range list {
		list[i].Message, list[i].RequestID = strings.Clone(list[i].Message), strings.Clone(list[i].RequestID)
	}
	return list
}

// last sorts records and returns the newest up to the query's limits, and whether those
// are reached.
func (v *view) last(list []wick.LogEvent) (newest []wick.LogEvent, full bool) {
	slices.SortFunc(list, byTime)
	from, bytes := len(list), 0
	for from > 0 && !full {
		bytes += len(list[from-1].Message)
		full = len(list)-from == v.q.Limit || v.q.LimitBytes > 0 && bytes > v.q.LimitBytes && from < len(list)
		if !full {
			from--
		}
	}
	if from == 0 {
		return list, len(list) == v.q.Limit
	}
	return slices.Clone(list[from:]), full
}
