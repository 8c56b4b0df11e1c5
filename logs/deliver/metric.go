package deliver

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// metricFilter makes values of the records that match.
type metricFilter struct {
	d       *Deliver
	f       wick.LogFilter
	pattern *filter.Filter
	value   float64 // what every match counts as, unless it is a field of the record
	field   string  // "$.latency" or "$bytes"
	// system are the dimensions that hang on the group alone, and selected whether the
	// filter's criteria, which do so too, let its records through.
	system   map[string]string
	selected bool

	mu sync.Mutex // guards minutes
	// minutes are those that had records lately, and whether one of them matched. Only
	// of a filter with a default.
	minutes map[int64]bool
}

// defaultsEvery is how often minutes that are over are looked for, and defaultAfter how
// long after its end a minute is taken for over: records come half a second late.
const (
	defaultsEvery = 5 * time.Second
	defaultAfter  = 3 * time.Second
	// maxMinutes bounds the minutes a filter waits for the end of.
	maxMinutes = 64
)

func newMetricFilter(d *Deliver, f *wick.LogFilter, pattern *filter.Filter) *metricFilter {
	m := &metricFilter{d: d, f: *f, pattern: pattern}
	if strings.HasPrefix(f.MetricValue, "$") {
		m.field = f.MetricValue
	} else {
		m.value, _ = strconv.ParseFloat(f.MetricValue, 64) // checked when it was put
	}
	m.system, m.selected = system(f)
	if f.DefaultValue != nil {
		m.minutes = map[int64]bool{}
	}
	if m.f.Unit == "" {
		m.f.Unit = "None"
	}
	return m
}

// metric returns the filter that a group has already, when it is the same, else a new one.
func (g *group) metric(f *wick.LogFilter, make func() *metricFilter) *metricFilter {
	m := make()
	if g == nil {
		return m
	}
	for i, old := range g.metrics {
		if old.f.Name == f.Name && old.same(m) {
			g.metrics = append(g.metrics[:i], g.metrics[i+1:]...)
			return old
		}
	}
	return m
}

// same says whether two filters do the same.
func (m *metricFilter) same(o *metricFilter) bool {
	a, b := &m.f, &o.f
	if len(a.Dimensions) != len(b.Dimensions) || (a.DefaultValue == nil) != (b.DefaultValue == nil) ||
		a.DefaultValue != nil && *a.DefaultValue != *b.DefaultValue {
		return false
	}
	for k, v := range a.Dimensions {
		if b.Dimensions[k] != v {
			return false
		}
	}
	return a.Pattern == b.Pattern && a.Selection == b.Selection && slices.Equal(a.SystemFields, b.SystemFields) && a.MetricName == b.MetricName && a.MetricNamespace == b.MetricNamespace &&
		a.MetricValue == b.MetricValue && a.Unit == b.Unit
}

// see makes a value of a record that matches. A record whose value isn't a number, or
// that lacks a dimension, makes none.
// Source: CloudWatch Logs, creating metrics from log events using filters.
func (m *metricFilter) see(e *wick.LogEvent) {
	if !m.selected {
		return
	}
	var fields map[string]string
	var matched bool
	if m.field == "" && len(m.f.Dimensions) == 0 {
		matched = m.pattern.Match(e.Message)
	} else {
		fields, matched = m.pattern.Extract(e.Message)
	}
	m.note(e.Timestamp, matched)
	if !matched {
		return
	}
	value := m.value
	if m.field != "" {
		n, err := strconv.ParseFloat(fields[m.field], 64)
		if err != nil {
			return
		}
		value = n
	}
	dimensions := m.system
	if len(m.f.Dimensions) > 0 {
		dimensions = make(map[string]string, len(m.f.Dimensions)+len(m.system))
		maps.Copy(dimensions, m.system)
		for name, selector := range m.f.Dimensions {
			found, ok := fields[selector]
			if !ok || found == "" {
				return
			}
			dimensions[name] = found
		}
	}
	m.put(e.Timestamp, value, dimensions)
}

func (m *metricFilter) put(at time.Time, value float64, dimensions map[string]string) {
	m.d.stats.metrics.Add(1)
	if m.d.o.Metrics == nil {
		return
	}
	m.d.o.Metrics.Put(Metric{
		Account: m.f.Group.Account, Region: m.f.Group.Region, Namespace: m.f.MetricNamespace, Name: m.f.MetricName,
		Dimensions: dimensions, Unit: m.f.Unit, Value: value, At: at,
	})
}

// note remembers of which minutes a filter with a default has seen records.
func (m *metricFilter) note(at time.Time, matched bool) {
	if m.minutes == nil {
		return
	}
	minute := at.Unix() / 60
	m.mu.Lock()
	defer m.mu.Unlock()
	m.minutes[minute] = m.minutes[minute] || matched
	for len(m.minutes) > maxMinutes {
		oldest := minute
		for k := range m.minutes {
			oldest = min(oldest, k)
		}
		m.over(oldest)
	}
}

// tick reports the default for minutes that are over and had records and no match.
func (m *metricFilter) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for minute := range m.minutes {
		if time.Unix((minute+1)*60, 0).Add(defaultAfter).Before(now) {
			m.over(minute)
		}
	}
}

// end reports what there is of minutes that are not over. Nothing comes after it.
func (m *metricFilter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for minute := range m.minutes {
		m.over(minute)
	}
}

// over reports the default for a minute without a match; m.mu is held.
func (m *metricFilter) over(minute int64) {
	if !m.minutes[minute] {
		m.put(time.Unix(minute*60, 0).UTC(), *m.f.DefaultValue, nil)
	}
	delete(m.minutes, minute)
}
