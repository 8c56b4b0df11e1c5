package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
)

// counted is what a server has counted of a function: so many invocations of so many ms.
func counted(name string, n int, ms float64, errors float64) client.FunctionCounts {
	var d wick.Distribution
	d.Add(ms, float64(n))
	return client.FunctionCounts{
		Function: name, Version: wick.Latest, Invocations: float64(n), Errors: errors,
		Duration: client.Distribution{Count: d.Count, Sum: d.Sum, Min: d.Min, Max: d.Max, Bins: d.AppendBins(nil)},
	}
}

var midnight = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func TestAnIntervalIsTheDifferenceOfTwoCounts(t *testing.T) {
	before := &client.Counts{At: midnight, PID: 1, Functions: []client.FunctionCounts{counted("a", 100, 1000, 50)}}
	slower := counted("a", 100, 1000, 50)
	var all wick.Distribution
	all.Add(1000, 100)
	all.Add(8, 20)
	slower.Invocations, slower.Errors = 120, 55
	slower.Duration = client.Distribution{Count: 120, Sum: all.Sum, Min: all.Min, Max: all.Max, Bins: all.AppendBins(nil)}
	after := &client.Counts{At: midnight.Add(2 * time.Second), PID: 1, Recorded: true, Functions: []client.FunctionCounts{slower, counted("new", 4, 2, 0)}}
	a, err := activityBetween(before, after)
	if err != nil {
		t.Fatal(err)
	}
	f := a.Functions[0]
	if f.Rate != 10 || f.ErrorRate != 0.25 || f.P50 == nil || *f.P50 != 8 || *f.P99 != 8 {
		t.Errorf("of a it is %+v", f)
	}
	if f := a.Functions[1]; f.Rate != 2 || *f.P50 != 2 {
		t.Errorf("of new it is %+v", f)
	}
	// A server that was started anew counts from nothing.
	after.PID = 2
	if a, err = activityBetween(before, after); err != nil || a.Functions[0].Rate != 60 {
		t.Errorf("after a start it is %+v, %v", a, err)
	}
	after.Functions[0].Duration.Bins = []byte{9, 9, 9}
	if _, err = activityBetween(before, after); err == nil {
		t.Error("bins that are none should be an error")
	}
}

func TestTheTableFitsItsWidth(t *testing.T) {
	long := counted("a-function-with-a-name-that-is-as-long-as-names-can-be-on-aws-64", 123_456, 12, 12)
	long.Version, long.MemoryBytes, long.Instances, long.ColdStarts = "12", 20<<30, 1000, 99_999
	a, err := activityBetween(&client.Counts{At: midnight}, &client.Counts{
		At: midnight.Add(time.Second), MemoryBytes: 1 << 40, MemoryLimitBytes: 1 << 41, PID: 1, Recorded: true,
		Functions: []client.FunctionCounts{long, counted("ü", 0, 0, 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for width, head := range map[int]string{
		20: "FUNCTION       INV/S", 40: "FUNCTION                     INV/S  ERR%",
		60: "FUNCTION                    INV/S  ERR%     P50     P99 CONC\n",
		80: "FUNCTION INV/S ERR% THR/S P50 P99 CONC COLD MEM\n", 132: "INST     TOTAL",
	} {
		text := a.text(width, false)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("of %d columns a line has %d: %s", width, n, line)
			}
		}
		if got := strings.Join(strings.Fields(text), " "); !strings.Contains(got, strings.Join(strings.Fields(head), " ")) {
			t.Errorf("of %d columns it is\n%s", width, text)
		}
	}
	a.Recorded = false
	if text := a.text(80, false); !strings.HasSuffix(text, "The server records no metrics: see --record of wick serve.\n") {
		t.Errorf("where nothing is recorded it is\n%s", text)
	}
	if painted := a.text(80, true); !strings.Contains(painted, string(red)) || !strings.Contains(painted, string(dim)) {
		t.Errorf("failing and idle functions should be told apart: %q", painted)
	}
}

func TestFunctionsAreSortedByTheColumnAskedFor(t *testing.T) {
	a := &activity{Functions: []functionActivity{
		{Function: "b", Rate: 1, Memory: 5}, {Function: "a", Rate: 1, Memory: 7}, {Function: "c", Rate: 9, P99: new(float64)},
	}}
	for order, want := range map[string]string{"rate": "cab", "memory": "abc", "p99": "cab", "name": "abc"} {
		a.sort(orderNamed(order), false)
		names := ""
		for _, f := range a.Functions {
			names += f.Function
		}
		if names != want {
			t.Errorf("by %s it is %s, want %s", order, names, want)
		}
	}
	if a.sort(orderNamed("name"), true); a.Functions[0].Function != "c" {
		t.Error("the order isn't turned around")
	}
}

// countingServer answers with counts that rise by ten invocations each time.
func countingServer(t *testing.T) *client.Client {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n += 10
		if err := json.NewEncoder(w).Encode(client.Counts{At: midnight.Add(time.Duration(n) * 100 * time.Millisecond), PID: 1, Functions: []client.FunctionCounts{counted("f", n, 5, 0)}}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestInAPipeThereIsATableForEachInterval(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopAfter{lines: 6, stop: cancel}
	top := &top{client: countingServer(t), out: out, interval: time.Millisecond}
	if err := top.print(ctx, false); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, "FUNCTION") < 2 || strings.Count(text, "\nf ") < 2 || strings.Contains(text, "\x1b") {
		t.Errorf("it is\n%s", text)
	}
}

// stopAfter calls stop once so many lines were written.
type stopAfter struct {
	bytes.Buffer
	lines int
	stop  func()
}

func (s *stopAfter) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Count(s.String(), "\n") >= s.lines {
		s.stop()
	}
	return n, err
}

func TestWithJSONThereIsAnObjectALine(t *testing.T) {
	var out bytes.Buffer
	top := &top{client: countingServer(t), out: &out, interval: time.Millisecond, json: true}
	if err := top.print(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var a activity
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.Functions[0].Rate != 10 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("it is %s (%v)", &out, err)
	}
}
