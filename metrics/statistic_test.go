package metrics

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestStatisticsOfAHundredValues(t *testing.T) {
	var d wick.Distribution
	for v := range 100 {
		d.Add(float64(v+1), 1)
	}
	for name, want := range map[string]float64{
		"SampleCount": 100, "Average": 50.5, "Sum": 5050, "Minimum": 1, "Maximum": 100,
		"p50": 50, "p99": 99, "p0": 1, "p100": 100, "p99.9": 100, "p5.": 5,
		"tm90": 45.5, "TM(10%:90%)": 50.5, "TM(10:20)": 15.5, "IQM": 50.5, "TM(:50%)": 25.5, "TM(90%:)": 95.5,
		"tc90": 90, "TC(10:20)": 10, "TC(80%:)": 20, "ts50": 1275, "TS(90%:)": 955,
		"PR(:30)": 30, "PR(10:20)": 10, "PR(50:)": 50,
		"WM(10%:90%)": 50.5, "wm90": 49.6, "WM(:50)": 37.8,
	} {
		s, ok := ParseStatistic(name)
		if !ok {
			t.Errorf("%s isn't understood", name)
			continue
		}
		if got, ok := s.Of(&d); !ok || math.Abs(got-want) > max(want*0.012, 1.1*math.Min(1, want/50)) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestWhatIsNoStatisticIsRefused(t *testing.T) {
	for _, name := range []string{
		"", "average", "p", "p101", "p-1", "q50", "TM()", "TM(:)", "TM(10%:90)", "TM(90%:10%)", "PR(10%:20%)", "TM(%:90%)", "TM(10%:110%)", "P50", "tm90%",
	} {
		if s, ok := ParseStatistic(name); ok {
			t.Errorf("%q is taken for %+v", name, s)
		}
	}
}

func TestStatisticsThatNeedEachValueHaveNoneOfASet(t *testing.T) {
	var d wick.Distribution
	d.AddSet(3, 6, 1, 3)
	for _, name := range []string{"p50", "tm90", "PR(:2)", "wm90"} {
		s, _ := ParseStatistic(name)
		if v, ok := s.Of(&d); ok {
			t.Errorf("%s is %v", name, v)
		}
	}
	s, _ := ParseStatistic("Average")
	if v, ok := s.Of(&d); !ok || v != 2 {
		t.Errorf("the average is %v", v)
	}
}

func FuzzParseStatistic(f *testing.F) {
	for _, s := range []string{"p99.9", "TM(10%:90%)", "PR(:300)", "Average"} {
		f.Add(s)
	}
	var d wick.Distribution
	d.Add(1, 1)
	d.Add(100, 3)
	f.Fuzz(func(t *testing.T, s string) {
		if st, ok := ParseStatistic(s); ok {
			if v, ok := st.Of(&d); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Fatalf("%s is %v", s, v)
			}
		}
	})
}

func TestSeriesBeginWhereTheyAreAskedFor(t *testing.T) {
	h := newHarness(t, Options{})
	for i := range 6 {
		h.put(Datum{Name: "N", Unit: "Count", Values: []float64{float64(i)}, At: noon.Add(time.Duration(i) * time.Minute), HighResolution: true})
	}
	h.put(Datum{Name: "N", Unit: "Bytes", Values: []float64{100}, At: noon.Add(time.Minute)})
	h.sync()
	for _, test := range []struct {
		from, to, period time.Duration
		unit             string
		byUnit           bool
		want             string
	}{
		{0, time.Hour, 5 * time.Minute, "Count", false, "12:00:00 Count 5/10 12:05:00 Count 1/5 "},
		{-time.Minute, time.Hour, 5 * time.Minute, "Count", false, "11:59:00 Count 4/6 12:04:00 Count 2/9 "},
		{90 * time.Second, time.Hour, 5 * time.Minute, "Count", false, "12:01:00 Count 5/15 "},
		{0, 2 * time.Minute, time.Minute, "", true, "12:00:00 Count 1/0 12:01:00 Bytes 1/100 12:01:00 Count 1/1 "},
		{0, 2 * time.Minute, time.Minute, "", false, "12:00:00 Count 1/0 12:01:00 Bytes 2/101 "},
		{0, time.Minute, 10 * time.Second, "", false, "12:00:00 Count 1/0 "},
	} {
		series, err := h.Series(t.Context(), SeriesQuery{
			Metric: wick.Metric{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Namespace: "App", Name: "N"},
			From:   noon.Add(test.from), To: noon.Add(test.to), Period: test.period, Unit: test.unit, ByUnit: test.byUnit,
		})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range series {
			got += fmt.Sprint(p.At.Format("15:04:05"), " ", p.Unit, " ", p.Values.Count, "/", p.Values.Sum, " ")
		}
		if got != test.want {
			t.Errorf("%+v gives %s", test, got)
		}
	}
}
