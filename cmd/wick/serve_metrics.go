package main

import (
	"context"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/deliver"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/sqlstore"
)

// openMetrics begins to count, and to record how the server is.
func (s *server) openMetrics(store *sqlstore.Store) {
	s.store = store
	s.metrics = metrics.Open(metrics.Options{Store: store, Log: s.log})
	s.opened(s.metrics.Close)
}

// gauges tells how the server is, for the metrics of Wick's own namespace.
func (s *server) gauges() []metrics.Gauge {
	stats := s.fleet.Stats()
	count := func(name string, n int, dimensions ...wick.Dimension) metrics.Gauge {
		return metrics.Gauge{Name: name, Unit: "Count", Value: float64(n), Dimensions: dimensions}
	}
	list := []metrics.Gauge{
		count("QueueLength", stats.Waiting), count("InstancesStarting", stats.Starting),
		{Name: "InstanceMemory", Unit: "Bytes", Value: float64(stats.UsedBytes)},
	}
	states := map[wick.InstanceState]int{}
	for _, g := range stats.Instances {
		states[g.State] += g.Count
	}
	for _, g := range stats.Ahead {
		states[g.State] += g.Count
	}
	for state, n := range states {
		list = append(list, count("Instances", n, wick.Dimension{Name: "State", Value: string(state)}))
	}
	return list
}

// filtered takes what metric filters make of log records.
type filtered struct{ to *metrics.Metrics }

// Put implements deliver.Metrics. What there is no room for the metrics count.
func (f filtered) Put(m deliver.Metric) {
	d := metrics.Datum{Name: m.Name, At: m.At, Unit: m.Unit, Values: []float64{m.Value}}
	for name, value := range m.Dimensions {
		d.Dimensions = append(d.Dimensions, wick.Dimension{Name: name, Value: value})
	}
	_ = f.to.Put(context.Background(), m.Account, m.Region, m.Namespace, []metrics.Datum{d})
}
