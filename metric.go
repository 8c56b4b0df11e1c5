package wick

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Metric names one metric of an account in a region.
// Source: CloudWatch user guide, concepts.
type Metric struct {
	Account, Region string
	Namespace, Name string // AWS/Lambda, Duration
	// Dimensions are in order of their names, each name once: see SortDimensions.
	Dimensions []Dimension
}

// Dimension is a name and a value that are part of what names a metric.
type Dimension struct{ Name, Value string }

// SortDimensions puts dimensions in the order a Metric has them in.
func SortDimensions(ds []Dimension) {
	slices.SortFunc(ds, func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
}

// Dimension returns the value of a dimension, "" for one the metric hasn't.
func (m *Metric) Dimension(name string) string {
	for _, d := range m.Dimensions {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// MetricPoint is what a metric's values were in one period of time.
type MetricPoint struct {
	Metric
	Unit   string        // Milliseconds, …; None when nobody said
	Start  time.Time     // of the period, a multiple of it since 1970
	Period time.Duration // a second for high resolution, else a minute or longer
	Values Distribution
}

// MetricQuery selects points of one metric.
type MetricQuery struct {
	Metric
	Unit     string    // "": all
	From, To time.Time // Start is in [From, To)
	// Seconds asks for the points of a second; else it is those of a minute and longer,
	// none of which has values that another one has.
	Seconds bool
	Limit   int // points at most; 0: 100,000
}

// MetricListQuery selects metrics. Empty members don't select.
type MetricListQuery struct {
	Account, Region string
	Namespace, Name string
	// Dimensions must all be there; one without a value is there with any.
	Dimensions []Dimension
	Since      time.Time // only those with values later than this
	After      int64     // continues a list behind that ID
	Limit      int       // 0: 500
}

// StoredMetric is a metric with the ID the store gave it.
type StoredMetric struct {
	ID int64
	Metric
}

// MetricStore keeps points.
type MetricStore interface {
	// AddMetricPoints adds points to what is there, in one transaction: those of the same
	// metric, unit, period and start become one. When there are maxMetrics metrics
	// already, points of further ones are left out, and counted in the result.
	AddMetricPoints(ctx context.Context, points []MetricPoint, maxMetrics int) (leftOut int, err error)
	// MetricPoints returns points by their start.
	MetricPoints(ctx context.Context, q MetricQuery) ([]MetricPoint, error)
	// Metrics lists metrics by ID.
	Metrics(ctx context.Context, q MetricListQuery) ([]StoredMetric, error)
	// RollUpMetrics merges up to limit points of a period that began before a time into
	// those of a longer one, or deletes them when that is 0, with the metrics that have
	// no more points then, and says how many points it found.
	RollUpMetrics(ctx context.Context, period, into time.Duration, before time.Time, limit int) (int, error)
}
