package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/wick-run/wick"
)

var _ wick.TraceStore = (*Store)(nil)

// PutSegments implements wick.TraceStore.
func (s *Store) PutSegments(ctx context.Context, segments []wick.TraceSegment) error {
	if len(segments) == 0 {
		return nil
	}
	return s.writer.write(ctx, func(t *tx) error {
		for i := range segments {
			if err := putSegment(t, &segments[i]); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

func putSegment(t *tx, g *wick.TraceSegment) error {
	start, end := g.Start.UnixMicro(), max(g.Start.UnixMicro(), g.End.UnixMicro())
	var trace, bytes int64
	err := t.scan(`SELECT id, bytes FROM traces WHERE account = ? AND region = ? AND trace_id = ?`,
		[]any{g.Account, g.Region, g.TraceID}, &trace, &bytes)
	if errors.Is(err, sql.ErrNoRows) {
		var result sql.Result
		result, err = t.exec(`INSERT INTO traces (account, region, trace_id, first_us, last_us, bytes, exceeded) VALUES (?, ?, ?, ?, ?, 0, 0)`,
			g.Account, g.Region, g.TraceID, start, end)
		if err == nil {
			trace, err = result.LastInsertId()
		}
	}
	if err != nil {
		return err
	}
	var before int64
	err = t.scan(`SELECT length(document) FROM trace_segments WHERE trace = ? AND segment_id = ?`, []any{trace, g.ID}, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	bytes += int64(len(g.Document)) - before
	if bytes > wick.MaxTraceBytes {
		_, err := t.exec(`UPDATE traces SET exceeded = 1 WHERE id = ?`, trace)
		return err
	}
	if _, err := t.exec(`INSERT OR REPLACE INTO trace_segments (trace, segment_id, start_us, document) VALUES (?, ?, ?, ?)`,
		trace, g.ID, start, g.Document); err != nil {
		return err
	}
	_, err = t.exec(`UPDATE traces SET first_us = min(first_us, ?), last_us = max(last_us, ?), bytes = ? WHERE id = ?`, start, end, bytes, trace)
	return err
}

// Traces implements wick.TraceStore.
func (s *Store) Traces(ctx context.Context, q wick.TraceQuery) ([]wick.StoredTrace, error) {
	to, id := q.To.UnixMicro(), "~" // behind every ID
	if !q.Before.Start.IsZero() && q.Before.Start.UnixMicro() <= to {
		to, id = q.Before.Start.UnixMicro(), q.Before.ID
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	const wanted = `SELECT id FROM traces
		WHERE account = ? AND region = ? AND first_us >= ? AND (first_us, trace_id) < (?, ?)
		ORDER BY first_us DESC, trace_id DESC LIMIT ?`
	return s.readTraces(ctx, wanted, q.Account, q.Region, q.From.UnixMicro(), to, id, limit)
}

// TracesByID implements wick.TraceStore.
func (s *Store) TracesByID(ctx context.Context, account, region string, ids []string) ([]wick.StoredTrace, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	const wanted = `SELECT id FROM traces WHERE account = ? AND region = ? AND trace_id IN (SELECT value FROM json_each(?))`
	found, err := s.readTraces(ctx, wanted, account, region, string(list))
	if err != nil {
		return nil, err
	}
	byID := make(map[string]wick.StoredTrace, len(found))
	for _, t := range found {
		byID[t.ID] = t
	}
	ordered := found[:0]
	for _, id := range ids {
		if t, ok := byID[id]; ok {
			ordered = append(ordered, t)
			delete(byID, id) // named twice
		}
	}
	return ordered, nil
}

// readTraces returns the traces that a query for their rows selects.
func (s *Store) readTraces(ctx context.Context, wanted string, args ...any) ([]wick.StoredTrace, error) {
	rows, err := s.readers.QueryContext(ctx, `WITH wanted AS (`+wanted+`)
		SELECT t.trace_id, t.first_us, t.exceeded, g.document
		FROM wanted JOIN traces t ON t.id = wanted.id JOIN trace_segments g ON g.trace = t.id
		ORDER BY t.first_us DESC, t.trace_id DESC, g.start_us, g.segment_id`, args...)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.StoredTrace
	for rows.Next() {
		var t wick.StoredTrace
		var first int64
		var document []byte
		if err := rows.Scan(&t.ID, &first, &t.LimitExceeded, &document); err != nil {
			return nil, explain(s.path, err)
		}
		if n := len(list); n == 0 || list[n-1].ID != t.ID {
			t.Start = time.UnixMicro(first).UTC()
			list = append(list, t)
		}
		last := &list[len(list)-1]
		last.Documents = append(last.Documents, document)
	}
	return list, explain(s.path, rows.Err())
}

// DropTraces implements wick.TraceStore.
func (s *Store) DropTraces(ctx context.Context, before time.Time, limit int) (int, error) {
	dropped := int64(0)
	err := s.writer.write(ctx, func(t *tx) error {
		result, err := t.exec(`DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE last_us < ? LIMIT ?)`, before.UnixMicro(), limit)
		if err != nil {
			return err
		}
		dropped, err = result.RowsAffected()
		return err
	}, nil)
	return int(dropped), err
}
