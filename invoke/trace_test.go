package invoke

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

const root, parent = "1-6a1f0c3e-0b5174261f6e9f6bc05b8672", "53995c3f42cd8ad8"

// oneFunction resolves to a function, whatever is asked for.
type oneFunction struct{ f *wick.Function }

func (o oneFunction) Resolve(context.Context, wick.FunctionID, string) (*wick.Function, error) {
	return o.f, nil
}

// fleetFunc answers invocations.
type fleetFunc func(*instance.Invocation) (*instance.Answer, error)

func (f fleetFunc) Invoke(_ context.Context, _ *wick.Function, inv *instance.Invocation) (*instance.Answer, error) {
	return f(inv)
}

// Start implements the fleet's.
func (f fleetFunc) Start(_ context.Context, _ *wick.Function, inv *instance.Invocation, done func(*instance.Answer, error)) {
	done(f(inv))
}

// tracer notes what it is told.
type tracer struct {
	sample  bool
	asked   int
	invoked []*wick.Invoked
}

func (t *tracer) Sample(*wick.Function, time.Time) bool { t.asked++; return t.sample }
func (t *tracer) Invoked(e *wick.Invoked)               { t.invoked = append(t.invoked, e) }

func TestWhoDecidesAboutATrace(t *testing.T) {
	for _, c := range []struct {
		mode, given string
		sample      bool
		want        string // how the header the function gets ends up: 1, 0, or what it is
		asked       int
	}{
		{"Active", "", true, "1", 1},
		{"Active", "", false, "0", 1},
		{"Active", "Root=" + root, true, "1", 1},
		{"Active", "Root=" + root + ";Sampled=?", true, "1", 1},
		{"Active", "Root=" + root + ";Sampled=0", true, "0", 0},
		{"Active", "Root=" + root + ";Sampled=1", false, "1", 0},
		{"Active", "Sampled=1", false, "1", 0},
		{"Active", "Root=nonsense;Sampled=1", true, "Root=nonsense;Sampled=1", 0},
		{"PassThrough", "", true, "0", 0},
		{"PassThrough", "Root=" + root, true, "0", 0},
		{"PassThrough", "Root=" + root + ";Sampled=1", false, "1", 0},
		{"PassThrough", "Root=" + root + ";Parent=" + parent + ";Sampled=0", true, "0", 0},
	} {
		tr := &tracer{sample: c.sample}
		var got string
		v := New(oneFunction{&wick.Function{TracingMode: c.mode}}, fleetFunc(func(inv *instance.Invocation) (*instance.Answer, error) {
			got = inv.Trace
			return &instance.Answer{}, nil
		}), 0)
		v.Trace(tr)
		result, err := v.Invoke(t.Context(), &Request{Trace: c.given})
		if err != nil {
			t.Fatal(err)
		}
		what := c.mode + " " + c.given
		if tr.asked != c.asked {
			t.Errorf("%s: asked %d times, want %d", what, tr.asked, c.asked)
		}
		if result.Trace != got {
			t.Errorf("%s: the answer has %s, the function got %s", what, result.Trace, got)
		}
		h := wick.ParseTraceHeader(got)
		switch c.want {
		case "1":
			if h.Sampled != "1" || !wick.ValidTraceID(h.Root) || !wick.ValidSegmentID(h.Parent) || len(tr.invoked) != 1 {
				t.Errorf("%s: the function got %s; recorded %d", what, got, len(tr.invoked))
			}
		case "0":
			if h.Sampled != "0" || len(tr.invoked) != 0 {
				t.Errorf("%s: the function got %s; recorded %d", what, got, len(tr.invoked))
			}
		default:
			if got != c.want || len(tr.invoked) != 0 {
				t.Errorf("%s: the function got %s; recorded %d", what, got, len(tr.invoked))
			}
		}
		if strings.Contains(c.given, root) && h.Root != root {
			t.Errorf("%s: the trace is another: %s", what, got)
		}
	}
}

func TestAHeaderKeepsItsLineageAndTheCallersSegment(t *testing.T) {
	tr := &tracer{}
	v := New(oneFunction{&wick.Function{}}, fleetFunc(func(*instance.Invocation) (*instance.Answer, error) {
		return &instance.Answer{Failed: true, Payload: []byte(`{"errorType":"E"}`)}, nil
	}), 0)
	v.Trace(tr)
	result, err := v.Invoke(t.Context(), &Request{RequestID: "r", Trace: "Root=" + root + ";Parent=" + parent + ";Sampled=1;Lineage=1:a87bd80c:0"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(result.Trace, ";Sampled=1;Lineage=1:a87bd80c:0") || strings.Contains(result.Trace, parent) {
		t.Errorf("the header is %s", result.Trace)
	}
	if e := tr.invoked[0]; e.Parent != parent || e.RequestID != "r" || e.Status != 200 || !e.Failed || string(e.Error) != `{"errorType":"E"}` || e.Trace != result.Trace || e.Ended.Before(e.Began) {
		t.Errorf("recorded %+v", e)
	}
}

func TestRefusalsAreRecorded(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{wick.Errorf(wick.TooManyRequests, "Rate Exceeded."), 429},
		{wick.Errorf(wick.Unavailable, "The service is shutting down."), 500},
		{errors.New("broken"), 500},
	} {
		tr := &tracer{}
		v := New(oneFunction{&wick.Function{}}, fleetFunc(func(*instance.Invocation) (*instance.Answer, error) { return nil, c.err }), 0)
		v.Trace(tr)
		if _, err := v.Invoke(t.Context(), &Request{Trace: "Sampled=1"}); err == nil {
			t.Fatal("no error")
		}
		if len(tr.invoked) != 1 || tr.invoked[0].Status != c.status {
			t.Errorf("%v: recorded %+v", c.err, tr.invoked)
		}
	}
}

func TestWithoutATracerNothingIsSampled(t *testing.T) {
	v := New(oneFunction{&wick.Function{TracingMode: "Active"}}, fleetFunc(func(*instance.Invocation) (*instance.Answer, error) {
		return &instance.Answer{}, nil
	}), 0)
	result, err := v.Invoke(t.Context(), &Request{})
	if err != nil || wick.ParseTraceHeader(result.Trace).Sampled != "0" {
		t.Errorf("the header is %s, %v", result.Trace, err)
	}
}
