package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"hash/fnv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// AppendChunks implements wick.LogStore.
func (s *Store) AppendChunks(ctx context.Context, chunks []wick.LogChunk) error {
	if len(chunks) == 0 {
		return nil
	}
	return s.writer.write(ctx, func(t *tx) error {
		a := chunkAppender{tx: t, groups: map[wick.LogGroupID]*groupRow{}, now: time.Now().UnixMilli()}
		for i := range chunks {
			if err := a.append(&chunks[i]); err != nil {
				return err
			}
		}
		return a.addBytes()
	}, nil)
}

// chunkAppender stores the chunks of one call and remembers the groups it met.
type chunkAppender struct {
	tx     *tx
	groups map[wick.LogGroupID]*groupRow
	now    int64
}

type groupRow struct{ id, spanMillis, addedBytes int64 }

func (a *chunkAppender) append(c *wick.LogChunk) error {
	first, last := c.First.UnixMilli(), c.Last.UnixMilli()
	group, err := a.group(c.Group, first, last-first)
	if err != nil {
		return err
	}
	stream, err := a.stream(group, c.Stream, first)
	if err != nil {
		return err
	}
	const span = `UPDATE log_streams SET oldest_ms = iif(ingested_ms = 0, ?, min(oldest_ms, ?)), newest_ms = max(newest_ms, ?), ingested_ms = ? WHERE id = ?`
	if _, err := a.tx.exec(span, first, first, last, a.now, stream); err != nil {
		return err
	}
	a.groups[c.Group].addedBytes += int64(len(c.Data))
	const insert = `INSERT INTO log_chunks (group_id, stream_id, first_ms, last_ms, first_seq, records, raw_bytes, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	data := c.Data
	if data == nil {
		data = []byte{} // the column is never NULL
	}
	result, err := a.tx.exec(insert, group, stream, first, last, c.FirstSeq, c.Records, c.RawBytes, data)
	if err != nil {
		return err
	}
	chunk, err := result.LastInsertId()
	if err != nil {
		return err
	}
	if len(c.RequestIDs) == 0 {
		return nil
	}
	// One statement for all of them: each has its price, and a busy function's chunk has
	// hundreds.
	hashes := make([]int64, len(c.RequestIDs))
	for i, id := range c.RequestIDs {
		hashes[i] = requestHash(id)
	}
	list, err := json.Marshal(hashes)
	if err != nil {
		return err
	}
	_, err = a.tx.exec(`INSERT OR IGNORE INTO log_requests (request_hash, chunk_id) SELECT value, ? FROM json_each(?)`, chunk, string(list))
	return err
}

// addBytes adds what was stored to the groups' sizes.
func (a *chunkAppender) addBytes() error {
	for _, g := range a.groups {
		if _, err := a.tx.exec(`UPDATE log_groups SET stored_bytes = stored_bytes + ? WHERE id = ?`, g.addedBytes, g.id); err != nil {
			return err
		}
	}
	return nil
}

// group returns the ID of a group, made if need be, that knows of chunks span long. One
// that is made was there when its first record was.
func (a *chunkAppender) group(id wick.LogGroupID, first, span int64) (int64, error) {
	row := a.groups[id]
	if row == nil {
		row = &groupRow{}
		err := a.tx.scan(`SELECT id, span_ms FROM log_groups WHERE account = ? AND region = ? AND name = ?`,
			[]any{id.Account, id.Region, id.Name}, &row.id, &row.spanMillis)
		if errors.Is(err, sql.ErrNoRows) {
			const insert = `INSERT INTO log_groups (account, region, name, created_ms, span_ms) VALUES (?, ?, ?, ?, 0)`
			row.id, err = a.insert(insert, id.Account, id.Region, id.Name, min(a.now, first))
		}
		if err != nil {
			return 0, err
		}
		a.groups[id] = row
	}
	if span > row.spanMillis {
		if _, err := a.tx.exec(`UPDATE log_groups SET span_ms = ? WHERE id = ?`, span, row.id); err != nil {
			return 0, err
		}
		row.spanMillis = span
	}
	return row.id, nil
}

// stream returns a stream's row, made if need be.
func (a *chunkAppender) stream(group int64, name string, first int64) (int64, error) {
	var row int64
	err := a.tx.scan(`SELECT id FROM log_streams WHERE group_id = ? AND name = ?`, []any{group, name}, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return a.insert(`INSERT INTO log_streams (group_id, name, created_ms) VALUES (?, ?, ?)`, group, name, min(a.now, first))
	}
	return row, err
}

func (a *chunkAppender) insert(query string, args ...any) (int64, error) {
	result, err := a.tx.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Chunks implements wick.LogStore. Chunks come by their oldest record, or with
// q.Newest by their newest, backwards, or in order of storing; chunks of the same time in
// order of storing.
// The chunks' RequestIDs are left out: they are in the data.
func (s *Store) Chunks(ctx context.Context, q wick.LogQuery) ([]wick.StoredLogChunk, error) {
	query, args, err := chunkQuery(q)
	if err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.StoredLogChunk
	for rows.Next() {
		c := wick.StoredLogChunk{LogChunk: wick.LogChunk{Group: q.Group}}
		var first, last int64
		if err := rows.Scan(&c.ID, &c.Stream, &first, &last, &c.FirstSeq, &c.Records, &c.RawBytes, &c.Data); err != nil {
			return nil, explain(s.path, err)
		}
		c.First, c.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		list = append(list, c)
	}
	return list, explain(s.path, rows.Err())
}

// chunkQuery puts a query together: IDs first, from an index, and the data of just
// the chunks that are wanted.
func chunkQuery(q wick.LogQuery) (string, []any, error) {
	var where strings.Builder
	where.WriteString(`c.group_id = g.id`)
	args := []any{q.Group.Account, q.Group.Region, q.Group.Name}
	filter := func(condition string, values ...any) {
		where.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	if !q.From.IsZero() {
		// A time between two milliseconds: what it cuts off begins at the later.
		from := ceilMillis(q.From)
		filter(`c.last_ms >= ?`, from)
		if !q.Newest {
			filter(`c.first_ms >= ? - g.span_ms`, from)
		}
	}
	if !q.To.IsZero() {
		to := ceilMillis(q.To)
		filter(`c.first_ms < ?`, to)
		if q.Newest {
			filter(`c.last_ms < ? + g.span_ms`, to)
		}
	}
	switch {
	case len(q.Streams) == 1:
		filter(`c.stream_id = (SELECT id FROM log_streams WHERE group_id = g.id AND name = ?)`, q.Streams[0])
	case len(q.Streams) > 1:
		names, err := json.Marshal(q.Streams)
		if err != nil {
			return "", nil, err
		}
		filter(`c.stream_id IN (SELECT id FROM log_streams WHERE group_id = g.id AND name IN (SELECT value FROM json_each(?)))`, string(names))
	}
	if q.Stored != nil {
		filter(`c.id > ?`, *q.Stored)
	}
	if len(q.IDs) > 0 {
		ids, err := json.Marshal(q.IDs)
		if err != nil {
			return "", nil, err
		}
		filter(`c.id IN (SELECT value FROM json_each(?))`, string(ids))
	}
	if q.RequestID != "" {
		filter(`c.id IN (SELECT chunk_id FROM log_requests WHERE request_hash = ?)`, requestHash(q.RequestID))
	}
	// A deleted stream's chunks are still there, and it is in another group.
	filter(`EXISTS (SELECT 1 FROM log_streams WHERE id = c.stream_id AND group_id = g.id)`)
	order := `ORDER BY c.first_ms, c.id`
	switch {
	case q.Stored != nil:
		order = `ORDER BY c.id`
	case q.Newest:
		order = `ORDER BY c.last_ms DESC, c.id DESC`
	}
	data := `c.data`
	if q.NoData {
		data = `NULL`
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	args = append(args, limit)
	query := `WITH wanted AS (
		SELECT c.id FROM log_groups g, log_chunks c ` + howToFind(&q) + `
		WHERE g.account = ? AND g.region = ? AND g.name = ? AND ` + where.String() + ` ` + order + ` LIMIT ?)
	SELECT c.id, s.name, c.first_ms, c.last_ms, c.first_seq, c.records, c.raw_bytes, ` + data + `
	FROM wanted JOIN log_chunks c ON c.id = wanted.id JOIN log_streams s ON s.id = c.stream_id ` + order
	return query, args, nil
}

// howToFind says by which index chunks are to be found. Left to itself the database goes
// through all of a group's for the order's sake, also where a few of them are named.
func howToFind(q *wick.LogQuery) string {
	switch {
	case len(q.IDs) > 0 || q.RequestID != "":
		return `NOT INDEXED` // by their IDs
	case q.Stored != nil:
		return `INDEXED BY log_chunks_group`
	case len(q.Streams) == 1 && q.Newest:
		return `INDEXED BY log_chunks_stream_newest`
	case len(q.Streams) == 1:
		return `INDEXED BY log_chunks_stream`
	}
	return ``
}

func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

func requestHash(id string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash takes everything
	return int64(h.Sum64())
}
