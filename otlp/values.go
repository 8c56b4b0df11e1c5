package otlp

import (
	"time"

	"google.golang.org/protobuf/proto"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/metrics"
)

// Points takes what was added to metrics: package metrics' Subscribe. Those that
// functions and clients put themselves are sent; those of functions are in Totals. It
// doesn't block.
func (e *Exporter) Points(points []wick.MetricPoint) {
	for i := range points {
		p := &points[i]
		if p.Namespace == metrics.LambdaNamespace || p.Namespace == metrics.OwnNamespace {
			continue
		}
		own := *p
		own.Values = p.Values.Clone()
		e.values.put(own, 512)
	}
}

// runMetrics reports until the exporter is closed, and then once more.
func (e *Exporter) runMetrics() {
	reports := time.NewTicker(e.o.MetricsEvery)
	defer reports.Stop()
	for closing := false; !closing; {
		select {
		case <-reports.C:
		case <-e.values.full:
		case <-e.closing:
			closing = true
		}
		if e.o.Totals != nil {
			if m, n := e.renderTotals(e.o.Totals(), time.Now()); n > 0 {
				e.send(metricSignal, m, n)
			}
		}
		drain(e, metricSignal, e.values, e.renderPoints)
		e.sayDropped(metricSignal)
	}
}

// Bounds of the histograms' buckets. Source: OpenTelemetry semantic conventions, FaaS
// metrics, for durations in seconds; those for memory are the sizes functions come in.
var (
	durationBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	memoryBounds   = []float64{32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20, 1024 << 20, 2048 << 20, 4096 << 20, 10240 << 20}
)

// renderTotals makes a request of what was counted of functions, and says how many
// points it has.
func (e *Exporter) renderTotals(totals []metrics.FunctionTotals, now time.Time) (proto.Message, int) {
	var out metricspb.MetricsData
	n := 0
	for i := range totals {
		t := &totals[i]
		r := report{from: uint64(e.began.UnixNano()), at: uint64(now.UnixNano())}
		r.sum("faas.invocations", "{invocation}", max(t.Invocations-t.Errors, 0))
		r.sum("faas.errors", "{error}", t.Errors)
		r.sum("faas.coldstarts", "{coldstart}", t.Init.Count)
		r.sum("wick.throttles", "{throttle}", t.Throttles)
		r.sum("wick.logs.dropped", "{record}", t.LogRecordsDropped)
		r.gauge("wick.concurrency", "{invocation}", t.Concurrency)
		r.histogram("faas.invoke_duration", "s", &t.Duration, 1e-3, durationBounds)
		r.histogram("faas.init_duration", "s", &t.Init, 1e-3, durationBounds)
		r.histogram("wick.wait_duration", "s", &t.Wait, 1e-3, durationBounds)
		r.histogram("faas.mem_usage", "By", &t.Memory, 1<<20, memoryBounds)
		n += len(r.list)
		out.ResourceMetrics = append(out.ResourceMetrics, &metricspb.ResourceMetrics{
			Resource:     &resourcepb.Resource{Attributes: functionResource(t.FunctionID, t.Version, 0)},
			ScopeMetrics: []*metricspb.ScopeMetrics{{Scope: e.scope(), Metrics: r.list}},
		})
	}
	return &out, n
}

// report is the metrics of one function, counted since the server began.
type report struct {
	from, at uint64
	list     []*metricspb.Metric
}

func (r *report) sum(name, unit string, v float64) {
	r.list = append(r.list, &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{
		AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, IsMonotonic: true,
		DataPoints: []*metricspb.NumberDataPoint{{
			StartTimeUnixNano: r.from, TimeUnixNano: r.at, Value: &metricspb.NumberDataPoint_AsInt{AsInt: int64(v)},
		}},
	}}})
}

func (r *report) gauge(name, unit string, v int64) {
	r.list = append(r.list, &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{
		DataPoints: []*metricspb.NumberDataPoint{{TimeUnixNano: r.at, Value: &metricspb.NumberDataPoint_AsInt{AsInt: v}}},
	}}})
}

// histogram reports a distribution, whose values it multiplies into the unit.
func (r *report) histogram(name, unit string, d *wick.Distribution, factor float64, bounds []float64) {
	if d.Count == 0 {
		return
	}
	p := histogramPoint(d, factor, bounds)
	p.StartTimeUnixNano, p.TimeUnixNano = r.from, r.at
	r.list = append(r.list, &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
		AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
		DataPoints:             []*metricspb.HistogramDataPoint{p},
	}}})
}

// histogramPoint puts a distribution into buckets; into none when its spread isn't known.
func histogramPoint(d *wick.Distribution, factor float64, bounds []float64) *metricspb.HistogramDataPoint {
	least, greatest, sum := d.Min*factor, d.Max*factor, d.Sum*factor
	p := &metricspb.HistogramDataPoint{Count: uint64(d.Count), Sum: &sum, Min: &least, Max: &greatest}
	if !d.Spread() || len(bounds) == 0 {
		return p
	}
	p.ExplicitBounds = bounds
	p.BucketCounts = make([]uint64, len(bounds)+1)
	p.Count = 0 // the sum of the buckets, whatever fractions there are
	for _, b := range d.Bins() {
		middle := min(max((b.From+b.To)/2, d.Min), d.Max) * factor
		i := 0
		for i < len(bounds) && middle > bounds[i] {
			i++
		}
		p.BucketCounts[i] += uint64(b.Count)
		p.Count += uint64(b.Count)
	}
	return p
}

// renderPoints makes a request of what functions and clients put: histograms of what
// came since the last, without buckets, in a scope named after the namespace.
func (e *Exporter) renderPoints(batch []wick.MetricPoint) proto.Message {
	var out metricspb.MetricsData
	type place struct{ account, region, namespace string }
	of := map[place]*metricspb.ScopeMetrics{}
	for i := range batch {
		p := &batch[i]
		key := place{p.Account, p.Region, p.Namespace}
		to := of[key]
		if to == nil {
			scope := e.scope()
			scope.Name = valid(p.Namespace)
			to = &metricspb.ScopeMetrics{Scope: scope}
			of[key] = to
			var a attributes
			a.text("service.name", p.Namespace)
			a.text("cloud.provider", "aws")
			a.text("cloud.account.id", p.Account)
			a.text("cloud.region", p.Region)
			out.ResourceMetrics = append(out.ResourceMetrics, &metricspb.ResourceMetrics{
				Resource: &resourcepb.Resource{Attributes: a}, ScopeMetrics: []*metricspb.ScopeMetrics{to},
			})
		}
		h := histogramPoint(&p.Values, 1, nil)
		h.StartTimeUnixNano, h.TimeUnixNano = uint64(p.Start.UnixNano()), uint64(p.Start.Add(p.Period).UnixNano())
		var a attributes
		for _, d := range p.Dimensions {
			a.text(d.Name, d.Value)
		}
		h.Attributes = a
		to.Metrics = append(to.Metrics, &metricspb.Metric{Name: valid(p.Name), Unit: unitOf(p.Unit), Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
			AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
			DataPoints:             []*metricspb.HistogramDataPoint{h},
		}}})
	}
	return &out
}

// units are CloudWatch's units as UCUM has them.
var units = map[string]string{
	"Seconds": "s", "Milliseconds": "ms", "Microseconds": "us", "Bytes": "By", "Kilobytes": "kBy", "Megabytes": "MBy",
	"Gigabytes": "GBy", "Terabytes": "TBy", "Bits": "bit", "Kilobits": "kbit", "Megabits": "Mbit", "Gigabits": "Gbit",
	"Percent": "%", "Count": "1", "Count/Second": "1/s", "Bytes/Second": "By/s",
}

func unitOf(name string) string { return units[name] }
