package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// MetricStore runs the contract of wick.MetricStore. open returns an empty store that it
// closes itself when the test ends.
func MetricStore(t *testing.T, open func(t *testing.T) wick.MetricStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, wick.MetricStore)
	}{
		{"points of one period become one", pointsAreMerged},
		{"points are selected by time, unit and period", pointsAreSelected},
		{"metrics are listed by what names them, page by page", metricsAreListed},
		{"accounts and regions are apart", metricsAreApart},
		{"old points are rolled up, then deleted with their metric", pointsAreRolledUp},
		{"no more metrics than allowed", metricsAreBounded},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func metric(name string, dimensions ...string) wick.Metric {
	m := wick.Metric{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: "App", Name: name}
	for i := 0; i < len(dimensions); i += 2 {
		m.Dimensions = append(m.Dimensions, wick.Dimension{Name: dimensions[i], Value: dimensions[i+1]})
	}
	return m
}

func point(m wick.Metric, at, period time.Duration, values ...float64) wick.MetricPoint {
	p := wick.MetricPoint{Metric: m, Unit: "Count", Start: noon.Add(at), Period: period}
	for _, v := range values {
		p.Values.Add(v, 1)
	}
	return p
}

func addPoints(t *testing.T, s wick.MetricStore, points ...wick.MetricPoint) {
	t.Helper()
	if left, err := s.AddMetricPoints(t.Context(), points, 1000); err != nil || left != 0 {
		t.Fatalf("%d left out, %v", left, err)
	}
}

func pointsOf(t *testing.T, s wick.MetricStore, q wick.MetricQuery) []wick.MetricPoint {
	t.Helper()
	if q.To.IsZero() {
		q.From, q.To = noon.Add(-1000*time.Hour), noon.Add(1000*time.Hour)
	}
	points, err := s.MetricPoints(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// countsOf renders points as START/PERIOD=COUNT, for comparing.
func countsOf(points []wick.MetricPoint) string {
	text := ""
	for _, p := range points {
		text += fmt.Sprintf("%v/%v=%v ", p.Start.Sub(noon), p.Period, p.Values.Count)
	}
	return text
}

func pointsAreMerged(t *testing.T, s wick.MetricStore) {
	m := metric("Latency", "A", "1", "B", `"two"`)
	addPoints(t, s, point(m, 0, time.Minute, 1, 2), point(m, 0, time.Minute, 3))
	addPoints(t, s, point(m, 0, time.Minute, 100))
	points := pointsOf(t, s, wick.MetricQuery{Metric: m})
	if len(points) != 1 {
		t.Fatalf("there are %d points", len(points))
	}
	p := points[0]
	median, ok := p.Values.Quantile(0.5)
	if p.Values.Count != 4 || p.Values.Sum != 106 || p.Values.Min != 1 || p.Values.Max != 100 || !ok || median < 1.98 || median > 2.02 {
		t.Errorf("it is %+v with the median %v", p.Values, median)
	}
	if p.Unit != "Count" || !p.Start.Equal(noon) || p.Period != time.Minute || p.Dimension("B") != `"two"` {
		t.Errorf("it is %+v", p)
	}
	set := wick.MetricPoint{Metric: m, Unit: "Count", Start: noon, Period: time.Minute}
	set.Values.AddSet(2, 5, 2, 3)
	addPoints(t, s, set)
	if p = pointsOf(t, s, wick.MetricQuery{Metric: m})[0]; p.Values.Count != 6 || p.Values.Spread() {
		t.Errorf("with a set it is %+v", p.Values)
	}
}

func pointsAreSelected(t *testing.T, s wick.MetricStore) {
	m := metric("Latency")
	bytes := point(m, time.Minute, time.Minute, 5)
	bytes.Unit = "Bytes"
	none := point(m, time.Minute, time.Minute, 5)
	none.Unit = ""
	addPoints(t, s, point(m, 0, time.Minute, 1), point(m, time.Minute, time.Minute, 1, 2), bytes, none,
		point(m, 2*time.Minute, time.Minute, 1), point(m, time.Second, time.Second, 1), point(metric("Latency", "A", "1"), 0, time.Minute, 9))
	for _, test := range []struct {
		q    wick.MetricQuery
		want string
	}{
		{wick.MetricQuery{}, "0s/1m0s=1 1m0s/1m0s=1 1m0s/1m0s=2 1m0s/1m0s=1 2m0s/1m0s=1 "},
		{wick.MetricQuery{Unit: "Count"}, "0s/1m0s=1 1m0s/1m0s=2 2m0s/1m0s=1 "},
		{wick.MetricQuery{Unit: "None"}, "1m0s/1m0s=1 "},
		{wick.MetricQuery{Seconds: true}, "1s/1s=1 "},
		{wick.MetricQuery{From: noon, To: noon.Add(time.Minute)}, "0s/1m0s=1 "},
		{wick.MetricQuery{From: noon.Add(time.Nanosecond), To: noon.Add(time.Minute + 1), Unit: "Count"}, "1m0s/1m0s=2 "},
		{wick.MetricQuery{Limit: 1}, "0s/1m0s=1 "},
	} {
		test.q.Metric = m
		if got := countsOf(pointsOf(t, s, test.q)); got != test.want {
			t.Errorf("%+v selects %s, want %s", test.q, got, test.want)
		}
	}
}

func metricsAreListed(t *testing.T, s wick.MetricStore) {
	other := metric("Errors", "A", "1")
	other.Namespace = "Other"
	addPoints(t, s, point(metric("Latency"), -5*time.Hour, time.Minute, 1), point(metric("Latency", "A", "1", "B", "2"), 0, time.Minute, 1),
		point(metric("Errors", "A", "2"), 0, time.Minute, 1), point(other, 0, time.Minute, 1), point(metric("Latency"), -6*time.Hour, time.Minute, 1))
	for _, test := range []struct {
		q    wick.MetricListQuery
		want string
	}{
		{wick.MetricListQuery{}, "App Latency []; App Latency [{A 1} {B 2}]; App Errors [{A 2}]; Other Errors [{A 1}]; "},
		{wick.MetricListQuery{Namespace: "App"}, "App Latency []; App Latency [{A 1} {B 2}]; App Errors [{A 2}]; "},
		{wick.MetricListQuery{Name: "Errors"}, "App Errors [{A 2}]; Other Errors [{A 1}]; "},
		{wick.MetricListQuery{Dimensions: []wick.Dimension{{Name: "A"}}}, "App Latency [{A 1} {B 2}]; App Errors [{A 2}]; Other Errors [{A 1}]; "},
		{wick.MetricListQuery{Dimensions: []wick.Dimension{{Name: "A", Value: "1"}, {Name: "B"}}}, "App Latency [{A 1} {B 2}]; "},
		{wick.MetricListQuery{Since: noon.Add(-3 * time.Hour), Namespace: "App"}, "App Latency [{A 1} {B 2}]; App Errors [{A 2}]; "},
		{wick.MetricListQuery{Limit: 1}, "App Latency []; "},
	} {
		test.q.Account, test.q.Region = wick.DefaultAccount, wick.DefaultRegion
		if got := listed(t, s, test.q); got != test.want {
			t.Errorf("%+v lists %s, want %s", test.q, got, test.want)
		}
	}
	page := wick.MetricListQuery{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Limit: 3}
	list, err := s.Metrics(t.Context(), page)
	if err != nil || len(list) != 3 {
		t.Fatalf("got %v, %v", list, err)
	}
	page.After = list[2].ID
	if got := listed(t, s, page); got != "Other Errors [{A 1}]; " {
		t.Errorf("the second page is %s", got)
	}
}

func listed(t *testing.T, s wick.MetricStore, q wick.MetricListQuery) string {
	t.Helper()
	list, err := s.Metrics(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, m := range list {
		text += fmt.Sprint(m.Namespace, " ", m.Name, " ", m.Dimensions, "; ")
	}
	return text
}

func metricsAreApart(t *testing.T, s wick.MetricStore) {
	here, there := metric("Latency"), metric("Latency")
	there.Region = "eu-west-1"
	addPoints(t, s, point(here, 0, time.Minute, 1), point(there, 0, time.Minute, 2, 3))
	if got := countsOf(pointsOf(t, s, wick.MetricQuery{Metric: there})); got != "0s/1m0s=2 " {
		t.Errorf("there is %s", got)
	}
	if got := listed(t, s, wick.MetricListQuery{Account: "111111111111", Region: wick.DefaultRegion}); got != "" {
		t.Errorf("another account has %s", got)
	}
}

func pointsAreRolledUp(t *testing.T, s wick.MetricStore) {
	m := metric("Latency")
	for i := range 10 {
		addPoints(t, s, point(m, time.Duration(i)*time.Minute, time.Minute, 1, 2))
	}
	roll := func(period, into time.Duration, before time.Time, limit, want int) {
		t.Helper()
		if n, err := s.RollUpMetrics(t.Context(), period, into, before, limit); err != nil || n != want {
			t.Fatalf("rolled up %d, %v; want %d", n, err, want)
		}
	}
	roll(time.Minute, 5*time.Minute, noon.Add(7*time.Minute), 4, 4)
	roll(time.Minute, 5*time.Minute, noon.Add(7*time.Minute), 4, 3)
	roll(time.Minute, 5*time.Minute, noon.Add(7*time.Minute), 4, 0)
	want := "0s/5m0s=10 5m0s/5m0s=4 7m0s/1m0s=2 8m0s/1m0s=2 9m0s/1m0s=2 "
	points := pointsOf(t, s, wick.MetricQuery{Metric: m})
	if got := countsOf(points); got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
	if v, ok := points[0].Values.Quantile(0.9); !ok || v != 2 {
		t.Errorf("the p90 of what was rolled up is %v, %v", v, ok)
	}
	roll(time.Minute, 0, noon.Add(time.Hour), 100, 3)
	if got := listed(t, s, wick.MetricListQuery{Account: wick.DefaultAccount, Region: wick.DefaultRegion}); got == "" {
		t.Error("a metric is gone that has points left")
	}
	roll(5*time.Minute, 0, noon.Add(time.Hour), 100, 2)
	if got := listed(t, s, wick.MetricListQuery{Account: wick.DefaultAccount, Region: wick.DefaultRegion}); got != "" {
		t.Errorf("without points there is still %s", got)
	}
}

func metricsAreBounded(t *testing.T, s wick.MetricStore) {
	points := []wick.MetricPoint{
		point(metric("A"), 0, time.Minute, 1), point(metric("B"), 0, time.Minute, 1), point(metric("C"), 0, time.Minute, 1), point(metric("A"), time.Minute, time.Minute, 1),
	}
	if left, err := s.AddMetricPoints(t.Context(), points, 2); err != nil || left != 1 {
		t.Fatalf("%d left out, %v", left, err)
	}
	if got := countsOf(pointsOf(t, s, wick.MetricQuery{Metric: metric("A")})); got != "0s/1m0s=1 1m0s/1m0s=1 " {
		t.Errorf("of a metric that there is, there is %s", got)
	}
}
