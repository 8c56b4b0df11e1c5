package main

import (
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/fleet"
	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/metrics/exposition"
)

// thisMachineOnly refuses requests from other machines.
func thisMachineOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.Error(w, "this is for clients on the server's own machine", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}

// guard returns what guards endpoints of ours: all are for this machine only, or none.
func guard(onlyHere bool) func(http.HandlerFunc) http.HandlerFunc {
	if onlyHere {
		return thisMachineOnly
	}
	return func(h http.HandlerFunc) http.HandlerFunc { return h }
}

// metricsPage serves Prometheus at /metrics. A signed request for that path is somebody
// else's: a bucket's, say, on its way to where S3 is.
func (s *server) metricsPage(next http.Handler, here func(http.HandlerFunc) http.HandlerFunc) http.Handler {
	page := here(s.writeMetrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "" &&
			(r.Method == http.MethodGet || r.Method == http.MethodHead) {
			page(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) writeMetrics(w http.ResponseWriter, r *http.Request) {
	p := exposition.NewPage(r.Header.Get("Accept"))
	functionMetrics(p, s.metrics.Totals())
	s.serverMetrics(p, s.fleet.Stats())
	w.Header().Set("Content-Type", p.ContentType())
	if _, err := w.Write(p.Bytes()); err != nil {
		s.log.Debug("a client hung up on an answer", "error", err)
	}
}

// Bounds of histograms, in seconds.
var (
	durationBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900}
	commitBounds   = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5}
)

// perSecond makes seconds of the milliseconds that distributions are in.
const perSecond = 1000

// functionMetrics writes what AWS/Lambda has, and Wick beyond that, of each function.
func functionMetrics(p *exposition.Page, totals []metrics.FunctionTotals) {
	each := func(f func(t *metrics.FunctionTotals, labels []exposition.Label)) {
		for i := range totals {
			t := &totals[i]
			f(t, []exposition.Label{{Name: "account", Value: t.Account}, {Name: "region", Value: t.Region}, {Name: "function", Value: t.Name}, {Name: "version", Value: t.Version}})
		}
	}
	counter := func(name, help string, of func(*metrics.FunctionTotals) float64) {
		p.Counter("wick_function_"+name, help)
		each(func(t *metrics.FunctionTotals, labels []exposition.Label) { p.Sample(of(t), labels...) })
	}
	histogram := func(name, help string, of func(*metrics.FunctionTotals) *wick.Distribution) {
		p.Histogram("wick_function_"+name, help)
		each(func(t *metrics.FunctionTotals, labels []exposition.Label) {
			p.Distribution(of(t), perSecond, durationBounds, labels...)
		})
	}
	counter("invocations", "Invocations that came to an end.", func(t *metrics.FunctionTotals) float64 { return t.Invocations })
	counter("errors", "Invocations that failed: an error, a time-out, an exit.", func(t *metrics.FunctionTotals) float64 { return t.Errors })
	counter("throttles", "Events refused because concurrency or memory was used up.", func(t *metrics.FunctionTotals) float64 { return t.Throttles })
	counter("cold_starts", "Instances that were initialised.", func(t *metrics.FunctionTotals) float64 { return t.Init.Count })
	counter("log_records_dropped", "Log records that were printed and not kept.", func(t *metrics.FunctionTotals) float64 { return t.LogRecordsDropped })
	counter("log_bytes_dropped", "Bytes of those.", func(t *metrics.FunctionTotals) float64 { return t.LogBytesDropped })
	histogram("duration_seconds", "How long invocations took.", func(t *metrics.FunctionTotals) *wick.Distribution { return &t.Duration })
	histogram("init_duration_seconds", "How long inits took.", func(t *metrics.FunctionTotals) *wick.Distribution { return &t.Init })
	histogram("placement_wait_seconds", "How long events waited that no idle instance was there for.",
		func(t *metrics.FunctionTotals) *wick.Distribution { return &t.Wait })
	p.Gauge("wick_function_concurrent_executions", "Events being worked on.")
	each(func(t *metrics.FunctionTotals, labels []exposition.Label) {
		p.Sample(float64(t.Concurrency), labels...)
	})
}

// serverMetrics writes how the server is.
func (s *server) serverMetrics(p *exposition.Page, stats fleet.Stats) {
	gauge := func(name, help string, v float64) {
		p.Gauge("wick_"+name, help)
		p.Sample(v)
	}
	p.Gauge("wick_instances", "Instances of functions, by state and runtime.")
	for _, g := range byRuntime(stats.Instances) {
		p.Sample(float64(g.Count), exposition.Label{Name: "state", Value: string(g.State)}, exposition.Label{Name: "runtime", Value: g.Runtime})
	}
	p.Gauge("wick_function_memory_bytes", "What a function's instances use together.")
	for _, g := range byFunction(stats.Instances) {
		p.Sample(float64(g.Bytes), exposition.Label{Name: "account", Value: g.Function.Account}, exposition.Label{Name: "region", Value: g.Function.Region},
			exposition.Label{Name: "function", Value: g.Function.Name}, exposition.Label{Name: "version", Value: g.Version})
	}
	p.Gauge("wick_instances_ahead", "Instances booted ahead, of no function yet, by runtime.")
	for _, g := range byRuntime(stats.Ahead) {
		p.Sample(float64(g.Count), exposition.Label{Name: "state", Value: string(g.State)}, exposition.Label{Name: "runtime", Value: g.Runtime})
	}
	gauge("instances_starting", "Instances being started.", float64(stats.Starting))
	gauge("queue_length", "Events that wait for an instance.", float64(stats.Waiting))
	gauge("instance_memory_used_bytes", "What all instances count for.", float64(stats.UsedBytes))
	gauge("instance_memory_limit_bytes", "What they may use together.", float64(stats.BudgetBytes))
	commits := s.store.CommitLatency()
	p.Histogram("wick_database_commit_seconds", "How long commits of the database took.")
	p.Distribution(&commits, perSecond, commitBounds)
	lost := s.metrics.Losses()
	p.Counter("wick_metrics_dropped", "Values and lines of metrics that were not kept.")
	for _, l := range []struct {
		reason string
		n      int64
	}{
		{"memory", lost.Values.Load()}, {"store", lost.Points.Load()}, {"metrics", lost.Metrics.Load()},
		{"lines", lost.Lines.Load()}, {"malformed", lost.Malformed.Load()},
	} {
		p.Sample(float64(l.n), exposition.Label{Name: "reason", Value: l.reason})
	}
	delivered := s.deliver.Stats()
	count := func(name, help string, n int64) {
		p.Counter("wick_"+name, help)
		p.Sample(float64(n))
	}
	count("log_records_delivered", "Log records that functions took through subscription filters.", delivered.Delivered)
	count("log_records_undelivered", "Log records that were given up: a day old, refused too often, or without a function.", delivered.Dropped)
	count("log_deliveries_failed", "Deliveries through subscription filters that failed, those that were tried again included.", delivered.Failed)
	count("log_records_unseen", "Log records that came too fast for metric filters.", delivered.Unseen)
	p.Counter("wick_trace_segments_dropped", "Segments of traces that were not kept.")
	p.Sample(float64(s.traces.Dropped()))
	gauge("goroutines", "Goroutines of the server.", float64(goruntime.NumGoroutine()))
	p.Gauge("wick_build_info", "The version, as a label.")
	p.Sample(1, exposition.Label{Name: "version", Value: buildVersion()})
	p.Gauge("process_start_time_seconds", "When the server began, in seconds since 1970.")
	p.Sample(float64(processBegan.UnixMilli()) / 1000)
}

// byRuntime adds groups up that differ in their function only.
func byRuntime(groups []fleet.Group) []fleet.Group {
	return sumGroups(groups, func(g *fleet.Group) { g.Function, g.Version = wick.FunctionID{}, "" })
}

// byFunction adds groups up that differ in their state only.
func byFunction(groups []fleet.Group) []fleet.Group {
	return sumGroups(groups, func(g *fleet.Group) { g.State, g.Runtime = "", "" })
}

// sumGroups adds groups up that are the same once blank has taken away what doesn't count.
func sumGroups(groups []fleet.Group, blank func(*fleet.Group)) []fleet.Group {
	var out []fleet.Group
	places := map[fleet.Group]int{}
	for _, g := range groups {
		k := g
		k.Count, k.Bytes = 0, 0
		blank(&k)
		i, ok := places[k]
		if !ok {
			i = len(out)
			places[k] = i
			out = append(out, k)
		}
		out[i].Count += g.Count
		out[i].Bytes += g.Bytes
	}
	return out
}

// writeTop answers wick top: what was counted since the start, and what there is now.
func (s *server) writeTop(w http.ResponseWriter, _ *http.Request) {
	stats := s.fleet.Stats()
	now := client.Counts{
		At: time.Now(), PID: os.Getpid(), Recorded: s.c.Record.has("metrics"), Waiting: stats.Waiting, Starting: stats.Starting,
		MemoryBytes: stats.UsedBytes, MemoryLimitBytes: stats.BudgetBytes, Functions: []client.FunctionCounts{},
	}
	type key struct {
		wick.FunctionID
		version string
	}
	places := map[key]int{}
	place := func(k key) *client.FunctionCounts {
		i, ok := places[k]
		if !ok {
			i = len(now.Functions)
			places[k] = i
			now.Functions = append(now.Functions, client.FunctionCounts{Account: k.Account, Region: k.Region, Function: k.Name, Version: k.version})
		}
		return &now.Functions[i]
	}
	for _, t := range s.metrics.Totals() {
		f := place(key{t.FunctionID, t.Version})
		f.Invocations, f.Errors, f.Throttles, f.ColdStarts, f.Concurrency = t.Invocations, t.Errors, t.Throttles, t.Init.Count, t.Concurrency
		f.Duration = client.Distribution{Count: t.Duration.Count, Sum: t.Duration.Sum, Min: t.Duration.Min, Max: t.Duration.Max, Bins: t.Duration.AppendBins(nil)}
	}
	for _, g := range stats.Instances {
		f := place(key{g.Function, g.Version})
		f.Instances += g.Count
		f.MemoryBytes += g.Bytes
	}
	for _, g := range stats.Ahead {
		now.Ahead += g.Count
	}
	s.writeJSON(w, now)
}
