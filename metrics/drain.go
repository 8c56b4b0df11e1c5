package metrics

import (
	"time"

	"github.com/wick-run/wick"
)

// drain takes what meters have counted and returns it as points: by function and
// resource, by function, and of all functions of an account.
// Source: Lambda developer guide, types of metrics and dimensions.
func (ms *meters) drain(now time.Time) []wick.MetricPoint {
	byFunction := map[minuteOf[wick.FunctionID]]*window{}
	byAccount := map[minuteOf[account]]*window{}
	var points []wick.MetricPoint
	for _, t := range ms.all() {
		for minute, w := range t.take(now) {
			resource := t.FunctionID.Name
			if t.name != wick.Latest {
				resource += ":" + t.name
			}
			points = w.points(points, account{t.Account, t.Region}, minute, &w.concurrent,
				wick.Dimension{Name: "FunctionName", Value: t.FunctionID.Name}, wick.Dimension{Name: "Resource", Value: resource})
			sum(byFunction, minuteOf[wick.FunctionID]{t.FunctionID, minute}, w)
			sum(byAccount, minuteOf[account]{account{t.Account, t.Region}, minute}, w)
		}
	}
	for k, w := range byFunction {
		points = w.points(points, account{k.of.Account, k.of.Region}, k.minute, &w.functionConcurrent,
			wick.Dimension{Name: "FunctionName", Value: k.of.Name})
		points = w.ownPoints(points, account{k.of.Account, k.of.Region}, k.minute, wick.Dimension{Name: "FunctionName", Value: k.of.Name})
	}
	for k, w := range byAccount {
		points = w.points(points, k.of, k.minute, &w.accountConcurrent)
		points = w.ownPoints(points, k.of, k.minute)
	}
	return points
}

type minuteOf[T comparable] struct {
	of     T
	minute int64
}

func sum[T comparable](into map[minuteOf[T]]*window, k minuteOf[T], w *window) {
	if into[k] == nil {
		into[k] = &window{}
	}
	into[k].add(w)
}

// take returns a meter's windows and begins new ones, into whose first minute goes how
// many events are under way.
func (m *meter) take(now time.Time) map[int64]*window {
	m.mu.Lock()
	defer m.mu.Unlock()
	windows := m.windows
	m.windows = nil
	for _, w := range windows {
		m.total.add(w)
	}
	if v := m.busy.Load(); v > 0 { // those that began in an earlier minute count in this one
		w := m.at(now)
		w.concurrent.add(v)
		w.functionConcurrent.add(m.function.Load())
		w.accountConcurrent.add(m.account.Load())
	}
	return windows
}

// points appends what AWS has of a window.
func (w *window) points(list []wick.MetricPoint, a account, minute int64, concurrent *samples, dimensions ...wick.Dimension) []wick.MetricPoint {
	add := func(name, unit string, values wick.Distribution) {
		list = appendPoint(list, LambdaNamespace, a, minute, name, unit, values, dimensions)
	}
	if w.invocations > 0 {
		add("Invocations", "Count", ones(w.invocations, 0))
		// Each invocation is a sample, so that the average is the rate.
		add("Errors", "Count", ones(w.failed, w.invocations-w.failed))
		add("Duration", "Milliseconds", w.duration)
	}
	if w.invocations+w.throttled > 0 {
		add("Throttles", "Count", ones(w.throttled, w.invocations))
	}
	add("ConcurrentExecutions", "Count", concurrent.distribution())
	if len(dimensions) == 0 { // no function has concurrency reserved
		add("UnreservedConcurrentExecutions", "Count", concurrent.distribution())
	}
	return list
}

// ownPoints appends what Wick has beyond that.
func (w *window) ownPoints(list []wick.MetricPoint, a account, minute int64, dimensions ...wick.Dimension) []wick.MetricPoint {
	add := func(name, unit string, values wick.Distribution) {
		list = appendPoint(list, OwnNamespace, a, minute, name, unit, values, dimensions)
	}
	add("ColdStarts", "Count", ones(w.init.Count, 0))
	add("InitDuration", "Milliseconds", w.init)
	add("PlacementWait", "Milliseconds", w.wait)
	add("MaxMemoryUsed", "Megabytes", w.memory)
	if w.droppedRecords > 0 {
		var records, bytes wick.Distribution
		records.AddSet(1, w.droppedRecords, w.droppedRecords, w.droppedRecords)
		bytes.AddSet(1, w.droppedBytes, w.droppedBytes, w.droppedBytes)
		add("LogRecordsDropped", "Count", records)
		add("LogBytesDropped", "Bytes", bytes)
	}
	return list
}

// appendPoint appends a point unless it is of nothing.
func appendPoint(
	list []wick.MetricPoint, namespace string, a account, minute int64, name, unit string, values wick.Distribution, dimensions []wick.Dimension,
) []wick.MetricPoint {
	if values.Count == 0 {
		return list
	}
	return append(list, wick.MetricPoint{
		Metric: wick.Metric{Account: a.id, Region: a.region, Namespace: namespace, Name: name, Dimensions: dimensions},
		Unit:   unit, Start: time.Unix(minute*60, 0).UTC(), Period: time.Minute, Values: values,
	})
}

// ones returns so many ones and zeros.
func ones(n, zeros float64) wick.Distribution {
	var d wick.Distribution
	d.Add(1, n)
	d.Add(0, zeros)
	return d
}
