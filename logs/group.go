package logs

import (
	"sync"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick"
)

// MaxRecordBytes is how long one log record can be; a longer line becomes several.
// Source: CloudWatch Logs quotas, 1 MB an event, of which 26 bytes are overhead.
const MaxRecordBytes = 1<<20 - 26

// group is a log group with text in memory or readers that wait for it.
type group struct {
	id wick.LogGroupID

	mu      sync.Mutex // guards all below, and the group's streams and watches
	streams map[string]*stream
	dirty   []*stream // those with an open chunk
	watches map[*watch]struct{}
	gone    bool // taken out of Logs.groups: look it up again
}

// stream is a log stream that was recorded to lately.
type stream struct {
	name    string
	src     *wick.Source // the latest, for what the log says itself
	next    int64        // the next record's number; see newStream
	last    int64        // the last record's timestamp, milliseconds
	open    *chunk       // nil when nothing came since the last seal
	sealed  []*chunk     // not stored yet, oldest first
	bytes   int64        // of open and sealed
	dropped wick.LogsDropped
	touched time.Time // when the last chunk was begun
	done    bool      // no more records to come
}

// position is where a record stands in its stream. Records have their numbers in the
// order they came, whatever their timestamps.
type position struct{ millis, seq int64 }

func (p position) before(q position) bool { return p.seq < q.seq }

func newGroup(id wick.LogGroupID) *group {
	return &group{id: id, streams: map[string]*stream{}, watches: map[*watch]struct{}{}}
}

// stream returns a stream's state, made if need be. Its records are numbered from the
// microsecond it is made in: no stream gets a million records a second for long, so a
// stream that was forgotten, or is of the server before a restart, goes on with numbers
// it has not had. g.mu is held.
func (g *group) stream(name string) *stream {
	st := g.streams[name]
	if st == nil {
		st = &stream{name: name, next: time.Now().UnixMicro()}
		g.streams[name] = st
	}
	return st
}

// append records the texts of one event, each a record or, when it is too long,
// several. It says whether a chunk is full now. g.mu is held.
func (g *group) append(l *Logs, at time.Time, src *wick.Source, requestID string, s *scratch) (full bool) {
	st := g.stream(src.LogStream)
	st.src = src
	if !l.hasRoom(st, len(s.text)) {
		st.dropped.Records += int64(len(s.ends))
		st.dropped.Bytes += int64(len(s.text))
		return false
	}
	full = g.tellDropped(l, st, at)
	start := 0
	for _, end := range s.ends {
		for end-start > MaxRecordBytes {
			cut := start + MaxRecordBytes
			for cut > start+MaxRecordBytes-utf8.UTFMax && !utf8.RuneStart(s.text[cut]) {
				cut--
			}
			full = g.appendRecord(l, st, at, requestID, s.text[start:cut]) || full
			start = cut
		}
		full = g.appendRecord(l, st, at, requestID, s.text[start:end]) || full
		start = end
	}
	return full
}

// hasRoom says whether n more bytes of a stream may wait for the store.
func (l *Logs) hasRoom(st *stream, n int) bool {
	return l.pending.Load()+int64(n) <= l.o.MaxPending && st.bytes+int64(n) <= l.o.MaxPending/2
}

// droppedReason is what the log says about lines it could not keep.
const droppedReason = "log text came faster than it could be stored"

// tellDropped records how much of a stream was dropped, if anything. g.mu is held.
func (g *group) tellDropped(l *Logs, st *stream, at time.Time) (full bool) {
	if st.dropped.Records == 0 {
		return false
	}
	d := st.dropped
	d.Reason = droppedReason
	st.dropped = wick.LogsDropped{}
	if l.o.Dropped != nil {
		l.o.Dropped.Record(at, st.src, d)
	}
	text, _ := wick.AppendLog(nil, nil, at, st.src, d)
	return g.appendRecord(l, st, at, "", text)
}

// appendRecord adds one record to the stream's open chunk and hands it to whoever
// watches. g.mu is held.
func (g *group) appendRecord(l *Logs, st *stream, at time.Time, requestID string, text []byte) (full bool) {
	millis := at.UnixMilli()
	// Events of one instance come in order but may be stamped by different
	// goroutines: the log shows them in the order they came. A clock that was set
	// back is believed.
	if millis < st.last && st.last-millis < 10_000 {
		millis = st.last
	}
	st.last = millis
	return g.add(l, st, millis, requestID, text)
}

// add puts a record with its timestamp into the stream's open chunk. g.mu is held.
func (g *group) add(l *Logs, st *stream, millis int64, requestID string, text []byte) (full bool) {
	if st.open == nil { // the clock is read for each chunk, not for each record
		now := time.Now()
		st.touched = now
		st.open = &chunk{group: g, stream: st, first: position{millis, st.next}, oldest: millis, newest: millis, ingested: now.UnixMilli()}
		g.dirty = append(g.dirty, st)
	}
	c := st.open
	before := len(c.raw)
	c.append(millis, requestID, text)
	grown := int64(len(c.raw) - before)
	st.bytes += grown
	l.pending.Add(grown)

	for w := range g.watches {
		w.see(st.name, position{millis, st.next}, c.ingested, requestID, text)
	}
	st.next++
	if len(c.raw) < l.o.ChunkBytes {
		return false
	}
	g.seal(l, st)
	return true
}

// seal ends a stream's open chunk and queues it for the store. g.mu is held.
func (g *group) seal(l *Logs, st *stream) {
	last := len(g.dirty) - 1
	for i := last; i >= 0; i-- {
		if g.dirty[i] == st {
			g.dirty[i], g.dirty[last] = g.dirty[last], nil
			g.dirty = g.dirty[:last]
			break
		}
	}
	c := st.open
	st.open = nil
	st.sealed = append(st.sealed, c)
	l.queue.push(c)
}

// stored lets go of a chunk that is in the store. g.mu is held.
func (g *group) stored(l *Logs, c *chunk) {
	st := c.stream
	for i := range st.sealed {
		if st.sealed[i] == c {
			st.sealed = append(st.sealed[:i], st.sealed[i+1:]...)
			break
		}
	}
	if len(st.sealed) == 0 {
		st.sealed = nil
	}
	if c.isStored != nil {
		close(c.isStored)
	}
	st.bytes -= c.size()
	l.pending.Add(-c.size())
	if st.dropped.Records > 0 && l.hasRoom(st, 0) {
		g.tellDropped(l, st, time.UnixMilli(st.last)) // where the gap begins
	}
	g.drop(st)
}

// idleStream is after how long without a record a stream's state is dropped even
// though its instance was not seen to stop.
const idleStream = time.Hour

// drop forgets a stream that is done and stored. g.mu is held.
func (g *group) drop(st *stream) {
	if st.open != nil || st.sealed != nil || st.dropped.Records > 0 {
		return
	}
	if st.done || time.Since(st.touched) > idleStream {
		delete(g.streams, st.name)
	}
}
