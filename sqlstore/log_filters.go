package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/wick-run/wick"
)

// PutLogFilter implements wick.LogGroupStore.
func (s *Store) PutLogFilter(ctx context.Context, f wick.LogFilter, limit int) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, f.Group)
		if err != nil {
			return err
		}
		var before string
		err = t.scan(`SELECT config, position FROM log_filters WHERE group_id = ? AND kind = ? AND name = ?`, []any{row, f.Kind, f.Name}, &before, &f.Position)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			var n int
			if err := t.scan(`SELECT count(*) FROM log_filters WHERE group_id = ? AND kind = ?`, []any{row, f.Kind}, &n); err != nil {
				return err
			}
			if n >= limit {
				return wick.Errorf(wick.TooManyRequests, "Resource limit exceeded.")
			}
			// It applies to what is stored from now on.
			if err := t.scan(`SELECT coalesce(max(id), 0) FROM log_chunks`, nil, &f.Position); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			var old wick.LogFilter
			if err := json.Unmarshal([]byte(before), &old); err != nil {
				return err
			}
			f.Created = old.Created
		}
		config, err := json.Marshal(f)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT OR REPLACE INTO log_filters (group_id, kind, name, config, position) VALUES (?, ?, ?, ?, ?)`,
			row, f.Kind, f.Name, string(config), f.Position)
		return err
	}, nil)
}

// LogFilters implements wick.LogGroupStore.
func (s *Store) LogFilters(ctx context.Context, q wick.LogFilterQuery) ([]wick.LogFilter, error) {
	if q.Group.Name != "" {
		if _, err := s.LogGroup(ctx, q.Group); err != nil {
			return nil, err
		}
	}
	const query = `SELECT f.config, f.position FROM log_groups g JOIN log_filters f ON f.group_id = g.id
		WHERE (? = '' AND g.account <> '' OR g.account = ? AND g.region = ?) AND (? = '' OR g.name = ?) AND f.kind = ? AND substr(f.name, 1, length(?)) = ? ORDER BY f.name, g.name`
	rows, err := s.readers.QueryContext(ctx, query, q.Group.Account, q.Group.Account, q.Group.Region, q.Group.Name, q.Group.Name, q.Kind, q.Prefix, q.Prefix)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.LogFilter
	for rows.Next() {
		var config string
		var position int64
		if err := rows.Scan(&config, &position); err != nil {
			return nil, explain(s.path, err)
		}
		var f wick.LogFilter
		if err := json.Unmarshal([]byte(config), &f); err != nil {
			return nil, explain(s.path, err)
		}
		f.Position = position
		list = append(list, f)
	}
	return list, explain(s.path, rows.Err())
}

// DeleteLogFilter implements wick.LogGroupStore.
func (s *Store) DeleteLogFilter(ctx context.Context, group wick.LogGroupID, kind wick.LogFilterKind, name string) error {
	return s.writer.write(ctx, func(t *tx) error {
		row, err := groupRowOf(t, group)
		if err != nil {
			return err
		}
		result, err := t.exec(`DELETE FROM log_filters WHERE group_id = ? AND kind = ? AND name = ?`, row, kind, name)
		return changedOne(result, err, wick.Errorf(wick.NotFound, "The specified %s filter does not exist.", kind))
	}, nil)
}

// AdvanceLogFilter implements wick.LogGroupStore.
func (s *Store) AdvanceLogFilter(ctx context.Context, group wick.LogGroupID, kind wick.LogFilterKind, name string, position int64) error {
	return s.writer.write(ctx, func(t *tx) error {
		const update = `UPDATE log_filters SET position = ? WHERE position < ? AND kind = ? AND name = ?
			AND group_id = (SELECT id FROM log_groups WHERE account = ? AND region = ? AND name = ?)`
		_, err := t.exec(update, position, position, kind, name, group.Account, group.Region, group.Name)
		return err
	}, nil)
}
