package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wick-run/wick"
)

var _ wick.MetricStore = (*Store)(nil)

// AddMetricPoints implements wick.MetricStore.
func (s *Store) AddMetricPoints(ctx context.Context, points []wick.MetricPoint, maxMetrics int) (leftOut int, err error) {
	if len(points) == 0 {
		return 0, nil
	}
	err = s.writer.write(ctx, func(t *tx) error {
		leftOut = 0
		room := -1 // not counted yet
		for i := range points {
			p := &points[i]
			id, err := metricID(t, &p.Metric, p.Start.Add(p.Period), maxMetrics, &room)
			switch {
			case err != nil:
				return err
			case id == 0:
				leftOut++
			default:
				if err := addPoint(t, id, p); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil)
	return leftOut, err
}

// metricID returns a metric's row, made if need be; 0 when there is no room for more.
func metricID(t *tx, m *wick.Metric, last time.Time, maxMetrics int, room *int) (int64, error) {
	dimensions, err := dimensionsText(m.Dimensions)
	if err != nil {
		return 0, err
	}
	var id, known int64
	err = t.scan(`SELECT id, last_s FROM metrics WHERE account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ?`,
		[]any{m.Account, m.Region, m.Namespace, m.Name, dimensions}, &id, &known)
	switch {
	case err == nil:
		if known < last.Unix() {
			_, err = t.exec(`UPDATE metrics SET last_s = ? WHERE id = ?`, last.Unix(), id)
		}
		return id, err
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	}
	if *room < 0 {
		var count int
		if err := t.scan(`SELECT count(*) FROM metrics`, nil, &count); err != nil {
			return 0, err
		}
		*room = max(0, maxMetrics-count)
	}
	if *room == 0 {
		return 0, nil
	}
	*room--
	result, err := t.exec(`INSERT INTO metrics (account, region, namespace, name, dimensions, last_s) VALUES (?, ?, ?, ?, ?, ?)`,
		m.Account, m.Region, m.Namespace, m.Name, dimensions, last.Unix())
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// addPoint merges a point into the one that is there.
func addPoint(t *tx, metric int64, p *wick.MetricPoint) error {
	unit := p.Unit
	if unit == "" {
		unit = "None"
	}
	values := &p.Values
	period, start := int64(p.Period/time.Second), p.Start.Unix()
	var there wick.Distribution
	var bins []byte
	err := t.scan(`SELECT n, total, least, greatest, bins FROM metric_points WHERE metric = ? AND period_s = ? AND start_s = ? AND unit = ?`,
		[]any{metric, period, start, unit}, &there.Count, &there.Sum, &there.Min, &there.Max, &bins)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil {
		if err := there.SetBins(bins); err != nil {
			return fmt.Errorf("a point of metric %s %s: %w", p.Namespace, p.Name, err)
		}
		there.Merge(values)
		values = &there
	}
	_, err = t.exec(`INSERT INTO metric_points (metric, period_s, start_s, unit, n, total, least, greatest, bins) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET n = excluded.n, total = excluded.total, least = excluded.least, greatest = excluded.greatest, bins = excluded.bins`,
		metric, period, start, unit, values.Count, values.Sum, values.Min, values.Max, values.AppendBins(nil))
	return err
}

// dimensionsText is how a metric's dimensions stand in the database.
func dimensionsText(dimensions []wick.Dimension) (string, error) {
	pairs := make([][2]string, len(dimensions))
	for i, d := range dimensions {
		pairs[i] = [2]string{d.Name, d.Value}
	}
	text, err := json.Marshal(pairs)
	return string(text), err
}

func readDimensions(text string) ([]wick.Dimension, error) {
	var pairs [][2]string
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, err
	}
	var dimensions []wick.Dimension
	for _, p := range pairs {
		dimensions = append(dimensions, wick.Dimension{Name: p[0], Value: p[1]})
	}
	return dimensions, nil
}

// MetricPoints implements wick.MetricStore.
func (s *Store) MetricPoints(ctx context.Context, q wick.MetricQuery) ([]wick.MetricPoint, error) {
	dimensions, err := dimensionsText(q.Dimensions)
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100_000
	}
	periods := `60, 300, 3600`
	if q.Seconds {
		periods = `1`
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT p.period_s, p.start_s, p.unit, p.n, p.total, p.least, p.greatest, p.bins
		FROM metrics m JOIN metric_points p ON p.metric = m.id AND p.period_s IN (`+periods+`)
		WHERE m.account = ? AND m.region = ? AND m.namespace = ? AND m.name = ? AND m.dimensions = ?
			AND p.start_s >= ? AND p.start_s < ? AND (? = '' OR p.unit = ?)
		ORDER BY p.start_s, p.period_s, p.unit LIMIT ?`,
		q.Account, q.Region, q.Namespace, q.Name, dimensions, ceilSeconds(q.From), ceilSeconds(q.To), q.Unit, q.Unit, limit)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var points []wick.MetricPoint
	for rows.Next() {
		p := wick.MetricPoint{Metric: q.Metric}
		var period, start int64
		var bins []byte
		if err := rows.Scan(&period, &start, &p.Unit, &p.Values.Count, &p.Values.Sum, &p.Values.Min, &p.Values.Max, &bins); err != nil {
			return nil, explain(s.path, err)
		}
		if err := p.Values.SetBins(bins); err != nil {
			return nil, fmt.Errorf("a point of metric %s %s: %w", q.Namespace, q.Name, err)
		}
		p.Period, p.Start = time.Duration(period)*time.Second, time.Unix(start, 0).UTC()
		points = append(points, p)
	}
	return points, explain(s.path, rows.Err())
}

// ceilSeconds is the first whole second that isn't before t.
func ceilSeconds(t time.Time) int64 {
	n := t.Unix()
	if t.Nanosecond() > 0 {
		n++
	}
	return n
}

// Metrics implements wick.MetricStore.
func (s *Store) Metrics(ctx context.Context, q wick.MetricListQuery) ([]wick.StoredMetric, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 500
	}
	wanted := `SELECT id, account, region, namespace, name, dimensions FROM metrics m
		WHERE id > ? AND account = ? AND region = ? AND (? = '' OR namespace = ?) AND (? = '' OR name = ?) AND last_s > ?`
	since := int64(0)
	if !q.Since.IsZero() {
		since = q.Since.Unix()
	}
	args := []any{q.After, q.Account, q.Region, q.Namespace, q.Namespace, q.Name, q.Name, since}
	for _, d := range q.Dimensions {
		wanted += ` AND EXISTS (SELECT 1 FROM json_each(m.dimensions) d WHERE d.value ->> 0 = ? AND (? = '' OR d.value ->> 1 = ?))`
		args = append(args, d.Name, d.Value, d.Value)
	}
	rows, err := s.readers.QueryContext(ctx, wanted+` ORDER BY id LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.StoredMetric
	for rows.Next() {
		var m wick.StoredMetric
		var dimensions string
		if err := rows.Scan(&m.ID, &m.Account, &m.Region, &m.Namespace, &m.Name, &dimensions); err != nil {
			return nil, explain(s.path, err)
		}
		if m.Dimensions, err = readDimensions(dimensions); err != nil {
			return nil, fmt.Errorf("the dimensions of metric %d: %w", m.ID, err)
		}
		list = append(list, m)
	}
	return list, explain(s.path, rows.Err())
}

// oldPoint is a point that is rolled up.
type oldPoint struct {
	metric, start int64
	unit          string
	wick.Distribution
}

// RollUpMetrics implements wick.MetricStore.
func (s *Store) RollUpMetrics(ctx context.Context, period, into time.Duration, before time.Time, limit int) (int, error) {
	found := 0
	err := s.writer.write(ctx, func(t *tx) error {
		old, err := oldPoints(t, period, before, limit)
		if err != nil {
			return err
		}
		found = len(old)
		for i := range old {
			if err := rollUp(t, &old[i], period, into); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	return found, err
}

func oldPoints(t *tx, period time.Duration, before time.Time, limit int) ([]oldPoint, error) {
	stmt, err := t.prepare(`SELECT metric, start_s, unit, n, total, least, greatest, bins FROM metric_points
		WHERE period_s = ? AND start_s < ? ORDER BY start_s LIMIT ?`)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background(), int64(period/time.Second), before.Unix(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var old []oldPoint
	for rows.Next() {
		var p oldPoint
		var bins []byte
		if err := rows.Scan(&p.metric, &p.start, &p.unit, &p.Count, &p.Sum, &p.Min, &p.Max, &bins); err != nil {
			return nil, err
		}
		if err := p.SetBins(bins); err != nil {
			return nil, err
		}
		old = append(old, p)
	}
	return old, rows.Err()
}

// rollUp moves one point into a longer period, or deletes it.
func rollUp(t *tx, p *oldPoint, period, into time.Duration) error {
	if _, err := t.exec(`DELETE FROM metric_points WHERE metric = ? AND period_s = ? AND start_s = ? AND unit = ?`,
		p.metric, int64(period/time.Second), p.start, p.unit); err != nil {
		return err
	}
	if into > 0 {
		return addPoint(t, p.metric, &wick.MetricPoint{
			Unit: p.unit, Start: time.Unix(p.start, 0).Truncate(into), Period: into, Values: p.Distribution,
		})
	}
	_, err := t.exec(`DELETE FROM metrics WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM metric_points WHERE metric = ?1)`, p.metric)
	return err
}
