package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// The words are AWS's.
var (
	errNoLogGroup      = wick.Errorf(wick.NotFound, "The specified log group does not exist.")
	errNoLogStream     = wick.Errorf(wick.NotFound, "The specified log stream does not exist.")
	errLogGroupExists  = wick.Errorf(wick.Conflict, "The specified log group already exists")
	errLogStreamExists = wick.Errorf(wick.Conflict, "The specified log stream already exists")
)

// CreateLogGroup implements wick.LogGroupStore.
func (s *Store) CreateLogGroup(ctx context.Context, g wick.LogGroup) error {
	tags, err := encodeTags(g.Tags)
	if err != nil {
		return err
	}
	return s.writer.write(ctx, func(t *tx) error {
		const insert = `INSERT INTO log_groups (account, region, name, created_ms, span_ms, retention_days, class, kms_key, protected, tags)
			VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
		result, err := t.exec(insert, g.Account, g.Region, g.Name, g.Created.UnixMilli(), g.RetentionDays, g.Class, g.KMSKeyID, g.DeletionProtected, tags)
		return changedOne(result, err, errLogGroupExists)
	}, nil)
}

// changedOne is refused unless a statement changed a row.
func changedOne(result sql.Result, err error, refused error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return refused
	}
	return err
}

func encodeTags(tags map[string]string) (string, error) {
	if tags == nil {
		tags = map[string]string{}
	}
	b, err := json.Marshal(tags)
	return string(b), err
}

const groupColumns = `SELECT g.account, g.region, g.name, g.created_ms, g.retention_days, g.class, g.kms_key, g.protected, g.tags, g.stored_bytes,
	(SELECT count(*) FROM log_filters f WHERE f.group_id = g.id AND f.kind = 'metric') FROM log_groups g `

// scanGroup reads a row of groupColumns.
func scanGroup(scan func(...any) error) (wick.LogGroup, error) {
	var g wick.LogGroup
	var created int64
	var tags string
	err := scan(&g.Account, &g.Region, &g.Name, &created, &g.RetentionDays, &g.Class, &g.KMSKeyID, &g.DeletionProtected, &tags, &g.StoredBytes, &g.MetricFilters)
	if err != nil {
		return g, err
	}
	g.Created = time.UnixMilli(created).UTC()
	return g, json.Unmarshal([]byte(tags), &g.Tags)
}

const oneGroup = groupColumns + `WHERE g.account = ? AND g.region = ? AND g.name = ?`

// LogGroup implements wick.LogGroupStore.
func (s *Store) LogGroup(ctx context.Context, id wick.LogGroupID) (*wick.LogGroup, error) {
	g, err := scanGroup(s.readers.QueryRowContext(ctx, oneGroup, id.Account, id.Region, id.Name).Scan)
	if errors.Is(err, sql.ErrNoRows) || id.Account == "" {
		return nil, errNoLogGroup
	}
	if err != nil {
		return nil, explain(s.path, err)
	}
	return &g, nil
}

// LogGroups implements wick.LogGroupStore.
func (s *Store) LogGroups(ctx context.Context, q wick.LogGroupQuery) ([]wick.LogGroup, error) {
	// A prefix of n bytes: text functions count characters, and names are ASCII.
	const query = groupColumns + `WHERE g.account = ? AND g.region = ? AND g.name >= ? AND g.name > ?
		AND substr(g.name, 1, length(?)) = ? AND instr(g.name, ?) > 0 ORDER BY g.name LIMIT ?`
	if q.Account == "" {
		return nil, nil
	}
	rows, err := s.readers.QueryContext(ctx, query, q.Account, q.Region, q.Prefix, q.After, q.Prefix, q.Prefix, q.Contains, limitOf(q.Limit))
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.LogGroup
	for rows.Next() {
		g, err := scanGroup(rows.Scan)
		if err != nil {
			return nil, explain(s.path, err)
		}
		list = append(list, g)
	}
	return list, explain(s.path, rows.Err())
}

func limitOf(n int) int {
	if n <= 0 {
		return 50
	}
	return n
}

// UpdateLogGroup implements wick.LogGroupStore.
func (s *Store) UpdateLogGroup(ctx context.Context, id wick.LogGroupID, change func(*wick.LogGroup) error) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, id)
		if err != nil {
			return err
		}
		g, err := scanGroup(func(dest ...any) error {
			return t.scan(oneGroup, []any{id.Account, id.Region, id.Name}, dest...)
		})
		if err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		tags, err := encodeTags(g.Tags)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE log_groups SET retention_days = ?, class = ?, kms_key = ?, protected = ?, tags = ? WHERE id = ?`,
			g.RetentionDays, g.Class, g.KMSKeyID, g.DeletionProtected, tags, row)
		return err
	}, nil)
}

// groupRowOf returns the row of a group that must exist.
func groupRowOf(t *tx, id wick.LogGroupID) (int64, error) {
	var row int64
	if id.Account == "" {
		return 0, errNoLogGroup
	}
	err := t.scan(`SELECT id FROM log_groups WHERE account = ? AND region = ? AND name = ?`, []any{id.Account, id.Region, id.Name}, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errNoLogGroup
	}
	return row, err
}

// DeleteLogGroup implements wick.LogGroupStore. Millions of lines would hold up every
// other writer: the group only loses its name here.
func (s *Store) DeleteLogGroup(ctx context.Context, id wick.LogGroupID) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, id)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE log_groups SET account = '', region = '', name = ?, retention_days = 0 WHERE id = ?`, strconv.FormatInt(row, 10), row)
		if err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM log_filters WHERE group_id = ?`, row)
		return err
	}, nil)
}

// CreateLogStream implements wick.LogGroupStore.
func (s *Store) CreateLogStream(ctx context.Context, group wick.LogGroupID, name string, at time.Time) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, group)
		if err != nil {
			return err
		}
		const insert = `INSERT INTO log_streams (group_id, name, created_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
		result, err := t.exec(insert, row, name, at.UnixMilli())
		return changedOne(result, err, errLogStreamExists)
	}, nil)
}

// LogStream implements wick.LogGroupStore.
func (s *Store) LogStream(ctx context.Context, group wick.LogGroupID, name string) (*wick.LogStream, error) {
	if _, err := s.LogGroup(ctx, group); err != nil {
		return nil, err
	}
	const query = streamColumns + `AND s.name = ?`
	st, err := scanStream(s.readers.QueryRowContext(ctx, query, group.Account, group.Region, group.Name, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoLogStream
	}
	if err != nil {
		return nil, explain(s.path, err)
	}
	return &st, nil
}

const streamColumns = `SELECT s.name, s.created_ms, s.oldest_ms, s.newest_ms, s.ingested_ms FROM log_groups g JOIN log_streams s ON s.group_id = g.id
	WHERE g.account = ? AND g.region = ? AND g.name = ? `

func scanStream(scan func(...any) error) (wick.LogStream, error) {
	var st wick.LogStream
	var created, oldest, newest, ingested int64
	if err := scan(&st.Name, &created, &oldest, &newest, &ingested); err != nil {
		return st, err
	}
	st.Created = time.UnixMilli(created).UTC()
	if ingested > 0 {
		st.First, st.Last, st.Ingested = time.UnixMilli(oldest).UTC(), time.UnixMilli(newest).UTC(), time.UnixMilli(ingested).UTC()
	}
	return st, nil
}

// LogStreams implements wick.LogGroupStore.
func (s *Store) LogStreams(ctx context.Context, q wick.LogStreamQuery) ([]wick.LogStream, error) {
	if _, err := s.LogGroup(ctx, q.Group); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(streamColumns)
	args := []any{q.Group.Account, q.Group.Region, q.Group.Name}
	if q.Prefix != "" {
		b.WriteString(`AND s.name >= ? AND substr(s.name, 1, length(?)) = ? `)
		args = append(args, q.Prefix, q.Prefix, q.Prefix)
	}
	than, direction := ">", ""
	if q.Descending {
		than, direction = "<", " DESC"
	}
	if a := q.After; a != nil && q.ByLast {
		last := int64(0)
		if !a.Last.IsZero() {
			last = a.Last.UnixMilli()
		}
		b.WriteString(`AND (s.newest_ms, s.name) ` + than + ` (?, ?) `)
		args = append(args, last, a.Name)
	} else if a != nil {
		b.WriteString(`AND s.name ` + than + ` ? `)
		args = append(args, a.Name)
	}
	b.WriteString(`ORDER BY `)
	if q.ByLast {
		b.WriteString(`s.newest_ms` + direction + `, `)
	}
	b.WriteString(`s.name` + direction + ` LIMIT ?`)
	rows, err := s.readers.QueryContext(ctx, b.String(), append(args, limitOf(q.Limit))...)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.LogStream
	for rows.Next() {
		st, err := scanStream(rows.Scan)
		if err != nil {
			return nil, explain(s.path, err)
		}
		list = append(list, st)
	}
	return list, explain(s.path, rows.Err())
}

// DeleteLogStream implements wick.LogGroupStore. Like a group, a stream only loses its
// place here: it moves into a deleted group of its own, and its chunks, which stay where
// they are, are no longer found.
func (s *Store) DeleteLogStream(ctx context.Context, group wick.LogGroupID, name string) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, group)
		if err != nil {
			return err
		}
		var stream int64
		err = t.scan(`SELECT id FROM log_streams WHERE group_id = ? AND name = ?`, []any{row, name}, &stream)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoLogStream
		}
		if err != nil {
			return err
		}
		result, err := t.exec(`INSERT INTO log_groups (account, region, name, created_ms, span_ms) VALUES ('', '', ?, 0, 0)`, "stream "+strconv.FormatInt(stream, 10))
		if err != nil {
			return err
		}
		deleted, err := result.LastInsertId()
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE log_streams SET group_id = ? WHERE id = ?`, deleted, stream)
		return err
	}, nil)
}

// SweepLogs implements wick.LogGroupStore.
func (s *Store) SweepLogs(ctx context.Context, now time.Time, limit int) (int, error) {
	found := int64(0)
	err := s.writer.write(ctx, func(t *tx) error {
		var err error
		if found, err = sweepDeleted(t, limit); err != nil {
			return err
		}
		expired, err := expire(t, now.UnixMilli(), limit)
		found += expired
		return err
	}, nil)
	return int(found), err
}

// sweepDeleted deletes chunks of deleted groups and of deleted streams, and the groups
// and streams that have none left.
func sweepDeleted(t *tx, limit int) (found int64, err error) {
	const (
		ofGroups  = `(SELECT c.id FROM log_groups g JOIN log_chunks c ON c.group_id = g.id WHERE g.account = '' LIMIT ?)`
		ofStreams = `(SELECT c.id FROM log_groups g JOIN log_streams s ON s.group_id = g.id JOIN log_chunks c ON c.stream_id = s.id
			WHERE g.account = '' AND c.group_id <> g.id ORDER BY c.id LIMIT ?)`
		size = `UPDATE log_groups SET stored_bytes = stored_bytes - (SELECT coalesce(sum(length(data)), 0) FROM log_chunks WHERE group_id = log_groups.id AND id IN ` + ofStreams + `)
			WHERE id IN (SELECT group_id FROM log_chunks WHERE id IN ` + ofStreams + `)`
		empty = `DELETE FROM log_groups WHERE account = '' AND NOT EXISTS (SELECT 1 FROM log_chunks WHERE group_id = log_groups.id)
			AND NOT EXISTS (SELECT 1 FROM log_streams s JOIN log_chunks c ON c.stream_id = s.id WHERE s.group_id = log_groups.id)`
	)
	if _, err := t.exec(size, limit, limit); err != nil {
		return 0, err
	}
	for _, chunks := range []string{ofGroups, ofStreams} {
		result, err := t.exec(`DELETE FROM log_chunks WHERE id IN `+chunks, limit)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		found += n
	}
	_, err = t.exec(empty)
	return found, err
}

// expire deletes chunks that are older than their group keeps them.
func expire(t *tx, now int64, limit int) (int64, error) {
	const old = `(SELECT c.id FROM log_groups g JOIN log_chunks c ON c.group_id = g.id
		WHERE g.retention_days > 0 AND c.last_ms < ? - g.retention_days * 86400000 ORDER BY c.id LIMIT ?)`
	var some bool // mostly there is nothing, and then nothing is to be written
	if err := t.scan(`SELECT EXISTS `+old, []any{now, 1}, &some); err != nil || !some {
		return 0, err
	}
	const size = `UPDATE log_groups SET stored_bytes = stored_bytes -
		(SELECT coalesce(sum(length(data)), 0) FROM log_chunks WHERE group_id = log_groups.id AND id IN ` + old + `) WHERE retention_days > 0`
	if _, err := t.exec(size, now, limit); err != nil {
		return 0, err
	}
	// What is left of the streams that lose something: most of a group's lose nothing.
	const left = `UPDATE log_streams SET oldest_ms = coalesce((SELECT min(first_ms) FROM log_chunks WHERE stream_id = log_streams.id AND id NOT IN ` + old + `), newest_ms)
		WHERE id IN (SELECT stream_id FROM log_chunks WHERE id IN ` + old + `)`
	if _, err := t.exec(left, now, limit, now, limit); err != nil {
		return 0, err
	}
	result, err := t.exec(`DELETE FROM log_chunks WHERE id IN `+old, now, limit)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
