package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/wick-run/wick"
)

// Datum is values of one metric at one time, as PutMetricData, a metric filter or an
// embedded metric has them.
type Datum struct {
	Name       string
	Dimensions []wick.Dimension // in any order
	At         time.Time        // zero: now
	Unit       string           // "": None
	// Values and how often each occurred; without Counts each did once.
	Values, Counts []float64
	// Set is statistics in place of the values.
	Set *StatisticSet
	// HighResolution keeps the values by the second as well, for three hours.
	HighResolution bool
}

// StatisticSet sums up values that are not known one by one.
type StatisticSet struct{ SampleCount, Sum, Minimum, Maximum float64 }

// Put adds data to an account's metrics in a region. The data must be right already:
// names that aren't empty, numbers that are finite, as many Counts as Values. It returns
// as soon as they are counted; they are stored within seconds. TooManyRequests when more
// metrics wait for that than may, for some of the data; Unavailable after Close.
func (m *Metrics) Put(_ context.Context, account, region, namespace string, data []Datum) error {
	select {
	case <-m.closing:
		return &wick.Error{Kind: wick.Unavailable, Message: errClosed.Error()}
	default:
	}
	if m.put(account, region, namespace, data) > 0 {
		return wick.Errorf(wick.TooManyRequests, "Rate exceeded")
	}
	return nil
}

// put is Put, also while closing; it returns how much of the data was dropped.
func (m *Metrics) put(account, region, namespace string, data []Datum) (dropped int) {
	now := m.o.Now()
	for i := range data {
		d := &data[i]
		p := wick.MetricPoint{Unit: d.Unit, Period: time.Minute, Start: d.At, Metric: wick.Metric{
			Account: account, Region: region, Namespace: namespace, Name: d.Name, Dimensions: d.Dimensions,
		}}
		if len(d.Dimensions) > 1 {
			p.Dimensions = slices.Clone(d.Dimensions)
			wick.SortDimensions(p.Dimensions)
		}
		if p.Unit == "" {
			p.Unit = "None"
		}
		if p.Start.IsZero() {
			p.Start = now
		}
		d.addTo(&p.Values)
		at := p.Start
		p.Start = at.Truncate(time.Minute)
		ok := m.points.add(&p, m.o.MaxPending)
		if ok && d.HighResolution {
			p.Period, p.Start = time.Second, at.Truncate(time.Second)
			ok = m.points.add(&p, m.o.MaxPending)
		}
		if !ok {
			dropped++
		}
	}
	m.lost.Values.Add(int64(dropped))
	return dropped
}

func (d *Datum) addTo(values *wick.Distribution) {
	for i, v := range d.Values {
		times := 1.0
		if i < len(d.Counts) {
			times = d.Counts[i]
		}
		if times > 0 {
			values.Add(v, times)
		}
	}
	if s := d.Set; s != nil {
		values.AddSet(s.SampleCount, s.Sum, s.Minimum, s.Maximum)
	}
}
