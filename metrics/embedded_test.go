package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wick-run/wick"
)

// record renders an EMF record: what is in _aws, and the other members.
func record(aws, members string) string {
	return `{"_aws":{"Timestamp":` + fmt.Sprint(noon.UnixMilli()) + `,` + aws + `},` + members + `}`
}

func TestRecordsInTheEmbeddedFormatBecomeMetrics(t *testing.T) {
	const directive = `"CloudWatchMetrics":[{"Namespace":"Shop","Dimensions":[["Service"],["Service","Kind"],[]],
		"Metrics":[{"Name":"Orders","Unit":"Count"},{"Name":"Times","Unit":"Milliseconds","StorageResolution":1},{"Name":"Absent"}]}]`
	for name, test := range map[string]struct {
		text, want string
		malformed  bool
	}{
		"whole": {record(directive, `"Service":"s","Kind":"k","Orders":3,"Times":[1,2.5],"requestId":"x"`),
			"Shop Orders Count [{Service s}] [3] false; Shop Times Milliseconds [{Service s}] [1 2.5] true; " +
				"Shop Orders Count [{Service s} {Kind k}] [3] false; Shop Times Milliseconds [{Service s} {Kind k}] [1 2.5] true; " +
				"Shop Orders Count [] [3] false; Shop Times Milliseconds [] [1 2.5] true; ", false},
		"a dimension is missing": {record(directive, `"Service":"s","Orders":3`),
			"Shop Orders Count [{Service s}] [3] false; Shop Orders Count [] [3] false; ", true},
		"a dimension is a number": {record(`"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D"]],"Metrics":[{"Name":"m"}]}]`, `"D":1,"m":1`), "", true},
		"a value is text":         {record(`"CloudWatchMetrics":[{"Namespace":"N","Metrics":[{"Name":"m"},{"Name":"n"}]}]`, `"m":"1","n":2`), "N n  [] [2] false; ", true},
		"an unknown unit":         {record(`"CloudWatchMetrics":[{"Namespace":"N","Metrics":[{"Name":"m","Unit":"Parsecs"}]}]`, `"m":1`), "", true},
		"no directives":           {record(`"CloudWatchMetrics":[]`, `"m":1`), "", true},
		"too old":                 {`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Metrics":[{"Name":"m"}]}]},"m":1}`, "", true},
		"half a record":           {`{"_aws":{"Timestamp":`, "", true},
		"a list":                  {`["_aws"]`, "", true},
		"no namespace":            {record(`"CloudWatchMetrics":[{"Metrics":[{"Name":"m"}]}]`, `"m":1`), "", true},
		"too large a number":      {record(`"CloudWatchMetrics":[{"Namespace":"N","Metrics":[{"Name":"m"}]}]`, `"m":1e300`), "", true},
	} {
		list, err := parseEmbedded([]byte(test.text), noon)
		got := ""
		for _, e := range list {
			for _, d := range e.data {
				got += fmt.Sprint(e.namespace, " ", d.Name, " ", d.Unit, " ", d.Dimensions, " ", d.Values, " ", d.HighResolution, "; ")
			}
		}
		if got != test.want || (err != nil) != test.malformed {
			t.Errorf("%s: got %s (%v)\nwant %s", name, got, err, test.want)
		}
	}
}

func TestLinesOfFunctionsAreLookedInto(t *testing.T) {
	h := newHarness(t, Options{})
	src := &wick.Source{Function: function("f", wick.Latest)}
	for _, text := range []string{
		record(`"CloudWatchMetrics":[{"Namespace":"Shop","Metrics":[{"Name":"m"}]}]`, `"m":2`),
		"plain text with \"_aws\"", `{"_aws": broken`, `{"no":"metrics"}`,
	} {
		h.Record(noon, src, wick.LogLine{Text: text})
	}
	if got := sums(h.points("Shop", "m")); got != "12:00:00:1/2/2 " {
		t.Errorf("there is %s", got)
	}
	if n := h.Losses().Malformed.Load(); n != 1 {
		t.Errorf("%d lines were malformed, want 1", n)
	}
}

func TestLinesThatComeTooFastAreCounted(t *testing.T) {
	var l lines
	l.metrics, l.queue, l.stop = &Metrics{}, make(chan line, maxLines), make(chan struct{}) // that nobody reads
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		l.add(noon, "", "", long)
	}
	if n := l.metrics.lost.Lines.Load(); n != 4 || l.bytes.Load() != 16<<20 {
		t.Errorf("%d were dropped, %d bytes wait", n, l.bytes.Load())
	}
}

func FuzzEmbedded(f *testing.F) {
	f.Add(record(`"CloudWatchMetrics":[{"Namespace":"Shop","Dimensions":[["D"]],"Metrics":[{"Name":"m","StorageResolution":1}]}]`, `"m":[2],"D":"d"`))
	f.Add(`{"_aws":{"CloudWatchMetrics":[{}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := parseEmbedded([]byte(text), noon) // whatever is wrong, the rest must be right
		for _, e := range list {
			for _, d := range e.data {
				if e.namespace == "" || d.Name == "" || d.At.Before(noon.Add(-MaxAge)) || d.At.After(noon.Add(MaxAhead)) || len(d.Dimensions) > MaxDimensions {
					t.Fatalf("%q has %+v in %q", text, d, e.namespace)
				}
				for _, v := range d.Values {
					if !ValidValue(v) {
						t.Fatalf("%q has the value %v", text, v)
					}
				}
			}
		}
	})
}
