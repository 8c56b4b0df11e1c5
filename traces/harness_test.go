package traces

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	traceA   = "1-6a1f0c3e-0b5174261f6e9f6bc05b8672"
	traceB   = "1-6a1f0c3e-aaaa74261f6e9f6bc05b8672"
	segmentA = "53995c3f42cd8ad8"
	account  = wick.DefaultAccount
	region   = wick.DefaultRegion
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// hello is a function, and source an instance of it.
var (
	hello = &wick.Function{
		FunctionID: wick.FunctionID{Account: account, Region: region, Name: "hello"}, Version: wick.Latest, TracingMode: "Active",
	}
	source = &wick.Source{InstanceID: "i", Function: hello, LogGroup: "/aws/lambda/hello", LogStream: "s"}
)

func header(trace, segment string) string {
	return wick.TraceHeader{Root: trace, Parent: segment, Sampled: "1"}.String()
}

// openStore returns a real store: a fake would need the same queries again.
func openStore(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.WithoutCancel(t.Context()), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openTraces(t testing.TB, o Options) *Traces {
	t.Helper()
	if o.Store == nil {
		o.Store = openStore(t)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	tr, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// get returns a trace.
func get(t testing.TB, tr *Traces, id string) *Trace {
	t.Helper()
	found, _, err := tr.Get(t.Context(), account, region, []string{id})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("there are %d traces %s", len(found), id)
	}
	return found[0]
}

func put(t testing.TB, tr *Traces, document string, args ...any) {
	t.Helper()
	if err := tr.Put(account, region, fmt.Appendf(nil, document, args...)); err != nil {
		t.Fatal(err)
	}
}

// traceOf makes a trace of documents, without a store.
func traceOf(t testing.TB, documents ...string) *Trace {
	t.Helper()
	st := wick.StoredTrace{ID: traceA}
	for _, d := range documents {
		if !json.Valid([]byte(d)) {
			t.Fatalf("%s is no JSON", d)
		}
		st.Documents = append(st.Documents, []byte(d))
	}
	return assemble(st)
}

// gate is a store that waits until it is opened.
type gate struct {
	wick.TraceStore
	open chan struct{}
	once sync.Once
}

func (g *gate) PutSegments(ctx context.Context, segments []wick.TraceSegment) error {
	<-g.open
	return g.TraceStore.PutSegments(ctx, segments)
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }
