package logs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/wick-run/wick"
)

// chunk is a run of one stream's records. It is written by Record while it is open,
// under the group's mutex, and never again once it is sealed, except that the writer
// puts data in the place of raw.
//
// raw is the encoding of version 1, a sequence of records:
//
//	varint  milliseconds since the record before (of the first: since the chunk's first)
//	uvarint request: 0 none; i+1 the i-th that was named in this chunk; one more than
//	        were named so far: a new one, whose name follows as uvarint length, bytes
//	uvarint length of the message, and the message
//
// Stored data is the version, uvarint milliseconds of the first record, uvarint
// milliseconds of ingestion, and raw compressed as one zstd frame.
type chunk struct {
	group    *group
	stream   *stream
	first    position
	ingested int64 // milliseconds

	raw      []byte
	records  int
	last     int64 // the last record's milliseconds
	oldest   int64 // the least of all records' milliseconds
	newest   int64 // and the greatest
	requests []span

	// The writer sets these and clears raw and requests when it compresses.
	data    []byte
	ids     []string // the request IDs, each once
	rawSize int64

	// isStored is closed when the chunk is in the store; nil while nobody waits for
	// that. Guarded by the group's mutex.
	isStored chan struct{}
}

// span is where a request ID stands in raw.
type span struct{ start, end int }

const chunkVersion = 1

// searchedRequests is among how many of the last request IDs a record's is looked
// for: an instance works on few at a time. One that is missed is named again.
const searchedRequests = 4

func (c *chunk) append(millis int64, requestID string, text []byte) {
	since := c.last
	if c.records == 0 {
		since = c.first.millis
	}
	c.raw = binary.AppendVarint(c.raw, millis-since)
	c.last = millis
	c.oldest, c.newest = min(c.oldest, millis), max(c.newest, millis)
	c.records++
	c.appendRequest(requestID)
	c.raw = binary.AppendUvarint(c.raw, uint64(len(text)))
	c.raw = append(c.raw, text...)
}

func (c *chunk) appendRequest(id string) {
	if id == "" {
		c.raw = append(c.raw, 0)
		return
	}
	for i := len(c.requests) - 1; i >= max(0, len(c.requests)-searchedRequests); i-- {
		if s := c.requests[i]; string(c.raw[s.start:s.end]) == id {
			c.raw = binary.AppendUvarint(c.raw, uint64(i)+1)
			return
		}
	}
	c.raw = binary.AppendUvarint(c.raw, uint64(len(c.requests))+1)
	c.raw = binary.AppendUvarint(c.raw, uint64(len(id)))
	start := len(c.raw)
	c.raw = append(c.raw, id...)
	c.requests = append(c.requests, span{start, len(c.raw)})
}

// size is what the chunk takes in memory.
func (c *chunk) size() int64 {
	if c.raw == nil {
		return int64(len(c.data))
	}
	return int64(len(c.raw))
}

// requestIDs returns the request IDs of a chunk that has not been compressed, each once.
func (c *chunk) requestIDs() []string {
	ids := make([]string, 0, len(c.requests))
	for _, s := range c.requests {
		ids = append(ids, string(c.raw[s.start:s.end]))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// record is one decoded record; its bytes are the chunk's.
type record struct {
	millis  int64
	request []byte
	message []byte
}

// eachRecord decodes the records of raw, which begins at the given time.
func eachRecord(raw []byte, millis int64, each func(record)) error {
	var requests []span
	for rest := raw; len(rest) > 0; {
		delta, n := binary.Varint(rest)
		if n <= 0 {
			return errBroken
		}
		rest = rest[n:]
		millis += delta
		r := record{millis: millis}

		index, n := binary.Uvarint(rest)
		if n <= 0 || index > uint64(len(requests))+1 {
			return errBroken
		}
		rest = rest[n:]
		if index > uint64(len(requests)) {
			name, after, ok := cutBytes(rest)
			if !ok {
				return errBroken
			}
			end := len(raw) - len(after)
			requests = append(requests, span{end - len(name), end})
			rest = after
		}
		if index > 0 {
			s := requests[index-1]
			r.request = raw[s.start:s.end]
		}
		message, after, ok := cutBytes(rest)
		if !ok {
			return errBroken
		}
		r.message, rest = message, after
		each(r)
	}
	return nil
}

var errBroken = errors.New("a log chunk is broken")

// cutBytes cuts bytes with their length before them off the front of b.
func cutBytes(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// codec compresses and decompresses chunks, from any goroutine. Used on whole chunks
// it has no goroutines of its own and needs no closing, so a reader may be at work in
// it while the log is closed.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// maxChunk bounds what a chunk may become when it is decompressed: a full chunk and
// an event that is as long as a runtime can frame.
const maxChunk = 256 << 20

func newCodec() (*codec, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxChunk))
	if err != nil {
		return nil, err
	}
	return &codec{encoder: e, decoder: d}, nil
}

// encode returns the stored form of a chunk's raw.
func (k *codec) encode(c *chunk) []byte {
	dst := make([]byte, 0, len(c.raw)/4+64)
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(c.first.millis))
	dst = binary.AppendUvarint(dst, uint64(c.ingested))
	return k.encoder.EncodeAll(c.raw, dst)
}

// decode returns what encode was given: raw, and the milliseconds of the first record
// and of ingestion.
func (k *codec) decode(data []byte) (raw []byte, first, ingested int64, err error) {
	if len(data) == 0 || data[0] != chunkVersion {
		return nil, 0, 0, fmt.Errorf("%w: its version is not one that this wick knows", errBroken)
	}
	r := bytes.NewReader(data[1:])
	f, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, 0, 0, errBroken
	}
	i, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, 0, 0, errBroken
	}
	raw, err = k.decoder.DecodeAll(data[len(data)-r.Len():], nil)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	return raw, int64(f), int64(i), nil
}

// event turns a decoded record into what readers get.
func (r record) event(stream string, seq, ingested int64) wick.LogEvent {
	return wick.LogEvent{
		Timestamp: time.UnixMilli(r.millis).UTC(),
		Ingested:  time.UnixMilli(max(ingested, r.millis)).UTC(),
		Stream:    stream,
		Seq:       seq,
		RequestID: string(r.request),
		Message:   string(r.message),
	}
}
