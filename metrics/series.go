package metrics

import (
	"context"
	"time"

	"github.com/wick-run/wick"
)

// SeriesQuery asks for a metric's values by equal periods.
type SeriesQuery struct {
	wick.Metric
	Unit     string // "": any
	From, To time.Time
	// Period is a second or several below a minute, or a multiple of a minute.
	Period time.Duration
	// ByUnit keeps values of different units apart.
	ByUnit bool
}

// SeriesPoint is a period's values.
type SeriesPoint struct {
	At     time.Time
	Unit   string
	Values wick.Distribution
}

// Series returns the periods in which a metric has values, in order. They begin at From,
// which is rounded down to what is kept of its time: a minute of the last 15 days, five
// minutes of 63, an hour beyond. Source: GetMetricStatistics, StartTime.
func (m *Metrics) Series(ctx context.Context, q SeriesQuery) ([]SeriesPoint, error) {
	from := m.RoundDown(q.From, q.Period)
	points, err := m.o.Store.MetricPoints(ctx, wick.MetricQuery{
		Metric: q.Metric, Unit: q.Unit, From: from, To: q.To, Seconds: q.Period < time.Minute,
	})
	if err != nil {
		return nil, err
	}
	var series []SeriesPoint
	first := 0 // of the last period, when units are apart
	for i := range points {
		p := &points[i]
		offset := p.Start.Sub(from)
		at := from.Add(offset - offset%q.Period)
		if len(series) == 0 || !series[len(series)-1].At.Equal(at) {
			first = len(series)
		}
		into := -1
		for n := first; n < len(series); n++ {
			if !q.ByUnit || series[n].Unit == p.Unit {
				into = n
			}
		}
		if into < 0 {
			into = len(series)
			series = append(series, SeriesPoint{At: at, Unit: p.Unit})
		}
		series[into].Values.Merge(&p.Values)
	}
	return series, nil
}

// RoundDown rounds the beginning of a query down to what is kept of its time.
func (m *Metrics) RoundDown(from time.Time, period time.Duration) time.Time {
	from = from.UTC()
	if period < time.Minute {
		return from.Truncate(period)
	}
	to := time.Minute
	for _, r := range retention {
		if r.into > 0 && m.o.Now().Sub(from) > r.age {
			to = r.into
		}
	}
	return from.Truncate(to)
}
