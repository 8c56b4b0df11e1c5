package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick/internal/client"
)

func traceOf(documents ...string) *client.Trace {
	t := &client.Trace{ID: "1-6a1f0c3e-0b5174261f6e9f6bc05b8672", DurationMS: 2000}
	for _, d := range documents {
		t.Segments = append(t.Segments, json.RawMessage(d))
	}
	return t
}

// drawn returns a trace's lines below its head.
func drawn(t *testing.T, tr *client.Trace) []string {
	t.Helper()
	var out bytes.Buffer
	if err := drawTrace(&out, tr); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(out.String(), "\n\n")
	lines := strings.Split(strings.TrimRight(body, "\n"), "\n")
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n > defaultColumns {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	return lines
}

func TestATraceIsDrawnAsCallsBelowTheirCallers(t *testing.T) {
	lines := drawn(t, traceOf(
		`{"id":"a","name":"web","start_time":100,"end_time":102,"subsegments":[{"id":"b","name":"call","start_time":101,"end_time":101.5}]}`,
		`{"id":"c","parent_id":"b","name":"fn","origin":"AWS::Lambda","start_time":101,"end_time":101.25,"fault":true,
			"cause":{"exceptions":[{"type":"E","message":"no","stack":[{"path":"a.py","line":3,"label":"f"}]}]}}`,
		`{"id":"d","parent_id":"elsewhere","name":"`+strings.Repeat("long", 20)+`","start_time":102,"in_progress":true}`))
	for i, want := range []string{"web ", "  call ", "    fn Lambda fault ", "longlong", "", "E: no", "    a.py:3 f"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) || want == "" && lines[i] != "" {
			t.Fatalf("line %d isn't %q:\n%s", i+1, want, strings.Join(lines, "\n"))
		}
	}
	for i, want := range []string{"2.00 s", "500 ms", "250 ms", "0 ms"} {
		if !strings.Contains(lines[i], " "+want+" ") {
			t.Errorf("%q lacks %q", lines[i], want)
		}
	}
}

func TestCallsInACircleAreDrawnOnce(t *testing.T) {
	lines := drawn(t, traceOf(
		`{"id":"a","parent_id":"b","name":"one","start_time":1,"end_time":2}`, `{"id":"b","parent_id":"a","name":"two","start_time":1,"end_time":2}`,
		`{"id":"c","parent_id":"c","name":"three","start_time":1,"end_time":2,"subsegments":[null]}`))
	if len(lines) != 3 {
		t.Errorf("it is drawn as\n%s", strings.Join(lines, "\n"))
	}
}

func TestATraceThatCannotBeReadSaysSo(t *testing.T) {
	for _, tr := range []*client.Trace{traceOf(), traceOf(`[]`)} {
		if err := drawTrace(&bytes.Buffer{}, tr); err == nil || !strings.Contains(err.Error(), tr.ID) {
			t.Errorf("%s: %v", tr.Segments, err)
		}
	}
}

func TestBarsShowWhereASpanIs(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		start, length, whole time.Duration
		want                 string
	}{
		{0, 10 * s, 10 * s, "██████████"},
		{5 * s, 5 * s, 10 * s, "     █████"},
		{2 * s, 3 * s, 10 * s, "  ███"},
		{5 * s, 0, 10 * s, "     ▏"},
		{10 * s, 0, 10 * s, "         ▏"},
		{0, 0, 0, ""},
	} {
		if got := drawBar(c.start, c.length, c.whole, 10); got != c.want {
			t.Errorf("%s + %s of %s: %q, want %q", c.start, c.length, c.whole, got, c.want)
		}
	}
}

func TestDurationsOfTracesAreShort(t *testing.T) {
	var got []string
	for _, ms := range []float64{0, 0.004, 0.25, 2, 9.5, 10.4, 999, 1500, 59_999, 61_000} {
		got = append(got, millisText(ms))
	}
	if want := "[0 ms 0 ms 0.25 ms 2 ms 9.50 ms 10 ms 999 ms 1.50 s 60.00 s 1m01s]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
