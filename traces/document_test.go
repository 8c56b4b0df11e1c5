package traces

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wick-run/wick"
)

const whole = `{"id":"53995c3f42cd8ad8","trace_id":"1-6a1f0c3e-0b5174261f6e9f6bc05b8672","name":"n","start_time":1,"end_time":2}`

// smallest is as short as a subsegment can be.
const smallest = `{"id":"00000000000000aa","name":"n","start_time":1,"end_time":2}`

func TestDocumentsThatAreNoSegmentsAreRefused(t *testing.T) {
	edit := func(old, replacement string) string { return strings.Replace(whole, old, replacement, 1) }
	for _, c := range []struct{ document, code string }{
		{whole, ""},
		{edit(`"end_time":2`, `"in_progress":true`), ""},
		{edit(`"name"`, `"type":"subsegment","parent_id":"00000000000000aa","name"`), ""},
		{`{`, "ParseError"},
		{`[]`, "ParseError"},
		{`"text"`, "ParseError"},
		{`null`, "InvalidId"},
		{edit(`"name":"n"`, `"name":7`), "ParseError"},
		{edit(`53995c3f42cd8ad8`, `53995c3f`), "InvalidId"},
		{edit(`1-6a1f0c3e`, `1-6a1f0c3`), "InvalidTraceId"},
		{edit(`"name"`, `"type":"subsegment","name"`), "InvalidParentId"},
		{edit(`"name"`, `"parent_id":"x","name"`), "InvalidParentId"},
		{edit(`"n"`, `""`), "InvalidName"},
		{edit(`"n"`, `"`+strings.Repeat("n", 201)+`"`), "InvalidName"},
		{edit(`"start_time":1`, `"start_time":0`), "InvalidStartTime"},
		{edit(`"start_time":1`, `"start_time":1e300`), "InvalidStartTime"},
		{edit(`"start_time":1`, `"start_time":3`), "InvalidEndTime"},
		{edit(`,"end_time":2`, ``), "InvalidEndTime"},
		{edit(`"end_time":2`, `"end_time":-1,"in_progress":true`), "InvalidEndTime"},
		{edit(`"n"`, `"n","metadata":"`+strings.Repeat("x", MaxDocumentBytes)+`"`), "SegmentTooLarge"},
		{edit(`"n"`, `"n","subsegments":[`+strings.Repeat("{},", 1000)+`{}]`), "InvalidSubsegment"},
		{edit(`"n"`, `"n","subsegments":[`+strings.Repeat(smallest+",", 800)+smallest+`]`), ""},
	} {
		_, err := parseDocument([]byte(c.document))
		var refused *Rejection
		if got := errors.As(err, &refused); got != (c.code != "") || got && (refused.Code != c.code || refused.Message == "") {
			t.Errorf("%.120s: %v, want %q", c.document, err, c.code)
		}
	}
}

func TestADatagramHasAHeaderAndADocument(t *testing.T) {
	for _, c := range []struct {
		datagram string
		ok       bool
	}{
		{`{"format":"json","version":1}` + "\n" + whole, true},
		{`{"format": "json", "version": 1}` + "\n" + whole + "\n", true},
		{`{"format":"json","version":2}` + "\n" + whole, false},
		{`{"format":"xml","version":1}` + "\n" + whole, false},
		{`{"format":"json","version":1}` + whole, false},
		{whole, false},
		{"\n", false},
		{"", false},
	} {
		text, err := splitDatagram([]byte(c.datagram))
		if (err == nil) != c.ok || c.ok && string(text) != whole {
			t.Errorf("%q: %q, %v", c.datagram, text, err)
		}
	}
}

func TestAFunctionsDatagramsAreItsAccountsAndNoneStopsIt(t *testing.T) {
	tr := openTraces(t, Options{})
	b := []byte(`{"format":"json","version":1}` + "\n" + whole)
	tr.Datagram(source, b)
	for i := range b {
		b[i] = 'x' // its buffer is used again
	}
	tr.Datagram(source, []byte("nonsense"))
	if got := get(t, tr, traceA); len(got.Segments) != 1 || got.Segments[0].Document != whole {
		t.Errorf("kept %+v", got)
	}
}

// FuzzDatagram holds what comes from functions to: no panic, and what is taken can be
// read again.
func FuzzDatagram(f *testing.F) {
	f.Add([]byte(`{"format":"json","version":1}` + "\n" + whole))
	f.Add([]byte(`{"format":"json","version":1}` + "\n" + `{"id":"53995c3f42cd8ad8","type":"subsegment","parent_id":"53995c3f42cd8ad8",` +
		`"trace_id":"1-6a1f0c3e-0b5174261f6e9f6bc05b8672","name":"n","start_time":1.5,"in_progress":true,"subsegments":[null,{"id":"x","subsegments":{}}]}`))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := splitDatagram(b)
		if err != nil {
			return
		}
		s, err := parseDocument(text)
		if err != nil {
			return
		}
		trace := assemble(wick.StoredTrace{ID: s.TraceID, Documents: [][]byte{text, text, []byte(whole)}})
		trace.Summarize()
		GraphOf([]*Trace{trace})
		for _, top := range trace.Segments {
			if !json.Valid([]byte(top.Document)) {
				t.Errorf("%q became %q", text, top.Document)
			}
		}
	})
}

// subsegment is one sent apart.
func subsegment(id, parent, name string, start float64) string {
	return fmt.Sprintf(`{"id":%q,"parent_id":%q,"trace_id":%q,"type":"subsegment","name":%q,"start_time":%v,"end_time":9.5}`,
		id, parent, traceA, name, start)
}

func TestSubsegmentsSentApartArePutWhereTheyBelong(t *testing.T) {
	top := fmt.Sprintf(`{"id":"000000000000000a","trace_id":%q,"name":"top","start_time":1.000001,"end_time":10,"subsegments":[
		{"id":"000000000000000b","name":"late","start_time":5,"end_time":6}]}`, traceA)
	got := traceOf(t,
		subsegment("000000000000000d", "000000000000000c", "deep", 3),
		subsegment("000000000000000c", "000000000000000b", "in late", 2),
		subsegment("000000000000000e", "000000000000000a", "early", 1.5),
		subsegment("000000000000000f", "0000000000000bad", "orphan", 7),
		top)
	if len(got.Segments) != 2 || got.Segments[0].Name != "top" || got.Segments[1].Name != "orphan" {
		t.Fatalf("got %+v", got.Segments)
	}
	var names []string
	got.Segments[0].walk(func(s *Segment) { names = append(names, s.Name) })
	if want := []string{"top", "early", "late", "in late", "deep"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if !strings.Contains(got.Segments[0].Document, `"start_time":1.000001`) {
		t.Errorf("a number changed: %s", got.Segments[0].Document)
	}
}

func TestSegmentsThatClaimToContainEachOtherAreLeftApart(t *testing.T) {
	got := traceOf(t, subsegment("000000000000000a", "000000000000000b", "a", 1), subsegment("000000000000000b", "000000000000000a", "b", 2),
		subsegment("000000000000000c", "000000000000000c", "c", 3))
	var names []string
	for _, top := range got.Segments {
		top.walk(func(s *Segment) { names = append(names, s.Name) })
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("got %q", names)
	}
}

func TestASummarySaysWhatTheTraceIs(t *testing.T) {
	m := traceOf(t,
		fmt.Sprintf(`{"id":"000000000000000a","trace_id":%q,"name":"web","start_time":1,"end_time":3,"user":"ada","error":true,
			"http":{"request":{"method":"GET","url":"http://x/"},"response":{"status":404}},"annotations":{"n":1,"bad":{"a":1}}}`, traceA),
		fmt.Sprintf(`{"id":"000000000000000b","parent_id":"000000000000000a","trace_id":%q,"name":"fn","origin":"AWS::Lambda","start_time":2,"end_time":5,
			"fault":true,"resource_arn":"arn:x","annotations":{"n":1}}`, traceA)).Summarize()
	if m.Duration.Seconds() != 4 || m.ResponseTime.Seconds() != 2 || !m.HasError || m.HasFault || m.HasThrottle || m.Partial {
		t.Errorf("got %+v", m)
	}
	if m.EntryPoint.Name != "web" || len(m.Services) != 2 || len(m.Users) != 1 || len(m.ResourceARNs) != 1 || m.HTTP.Request.URL != "http://x/" {
		t.Errorf("got %+v", m)
	}
	if n := m.Annotations["n"]; len(m.Annotations) != 1 || len(n) != 1 || n[0].Value != 1.0 || len(n[0].Services) != 2 {
		t.Errorf("annotations are %+v", m.Annotations)
	}
}
