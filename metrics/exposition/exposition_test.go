package exposition

import (
	"testing"

	"github.com/wick-run/wick"
)

func page(accept string) *Page {
	p := NewPage(accept)
	p.Counter("wick_function_invocations", "Invocations.")
	p.Sample(3, Label{"function", `a"b\c`})
	p.Gauge("wick_queue_length", "Events that wait.")
	p.Sample(0.5)
	var d wick.Distribution
	for _, ms := range []float64{1, 20, 20, 900} {
		d.Add(ms, 1)
	}
	p.Histogram("wick_wait_seconds", "Waits.")
	p.Distribution(&d, 1000, []float64{0.01, 0.1}, Label{"function", "f"})
	return p
}

func TestThePageIsInTheFormatThatIsAskedFor(t *testing.T) {
	const rest = `# HELP wick_queue_length Events that wait.
# TYPE wick_queue_length gauge
wick_queue_length 0.5
# HELP wick_wait_seconds Waits.
# TYPE wick_wait_seconds histogram
wick_wait_seconds_bucket{function="f",le="0.01"} 1
wick_wait_seconds_bucket{function="f",le="0.1"} 3
wick_wait_seconds_bucket{function="f",le="+Inf"} 4
wick_wait_seconds_sum{function="f"} 0.941
wick_wait_seconds_count{function="f"} 4
`
	const text = "# HELP wick_function_invocations_total Invocations.\n# TYPE wick_function_invocations_total counter\n" +
		`wick_function_invocations_total{function="a\"b\\c"} 3` + "\n" + rest
	const open = "# HELP wick_function_invocations Invocations.\n# TYPE wick_function_invocations counter\n" +
		`wick_function_invocations_total{function="a\"b\\c"} 3` + "\n" + rest + "# EOF\n"
	for accept, want := range map[string]string{
		"":                             text,
		"*/*":                          text,
		"text/plain":                   text,
		"application/openmetrics-text": open,
		"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.8": open,
		"application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4":       text,
	} {
		p := page(accept)
		if got := string(p.Bytes()); got != want {
			t.Errorf("for %q it is\n%s", accept, got)
		}
		wantType := textType
		if want == open {
			wantType = openMetricsType
		}
		if p.ContentType() != wantType {
			t.Errorf("for %q the type is %s", accept, p.ContentType())
		}
	}
}

func TestWhatIsNotSpreadIsInTheLastBucket(t *testing.T) {
	var d wick.Distribution
	d.AddSet(5, 50, 1, 30)
	p := NewPage("")
	p.Histogram("h", "H.")
	p.Distribution(&d, 1, []float64{100})
	want := "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"100\"} 0\nh_bucket{le=\"+Inf\"} 5\nh_sum 50\nh_count 5\n"
	if got := string(p.Bytes()); got != want {
		t.Errorf("it is\n%s", got)
	}
}
