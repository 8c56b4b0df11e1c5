package traces

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// fill stores n traces a second apart, each third one with a fault.
func fill(t *testing.T, tr *Traces, n int) {
	for i := range n {
		put(t, tr, `{"id":"000000000000000a","trace_id":"1-6a1f0c3e-%024x","name":"web","start_time":%d,"end_time":%d,"fault":%t}`,
			i, noon.Unix()+int64(i), noon.Unix()+int64(i)+1, i%3 == 0)
	}
}

func TestSummariesComePageByPageLatestFirst(t *testing.T) {
	tr := openTraces(t, Options{})
	fill(t, tr, 330)
	q := Query{Account: account, Region: region, From: noon, To: noon.Add(time.Hour), Filter: "!fault"}
	var got []string
	pages := 0
	for {
		page, err := tr.Summaries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, s := range page.Summaries {
			got = append(got, s.ID)
		}
		if q.Token = page.Next; q.Token == "" {
			break
		}
	}
	if len(got) != 220 || pages != 3 {
		t.Errorf("%d traces on %d pages", len(got), pages)
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return -compareText(a, b) }) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("they are %q", got)
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestQuestionsThatMakeNoSenseAreRefused(t *testing.T) {
	tr := openTraces(t, Options{})
	for _, q := range []Query{
		{From: noon, To: noon.Add(-time.Second)},
		{From: noon, To: noon.Add(25 * time.Hour)},
		{From: noon, To: noon, Filter: "nonsense"},
		{From: noon, To: noon, Token: "%"},
		{From: noon, To: noon, Token: "bm9uc2Vuc2U"},
	} {
		if _, err := tr.Summaries(t.Context(), q); wick.KindOf(err) != wick.InvalidParameter || err == nil {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := tr.Graph(t.Context(), account, region, noon, noon.Add(-1)); wick.KindOf(err) != wick.InvalidParameter || err == nil {
		t.Errorf("a graph: %v", err)
	}
}

func TestAGraphHasServicesAndWhoCallsWhom(t *testing.T) {
	nodes := GraphOf([]*Trace{shop(t), shop(t)})
	var got []string
	for _, n := range nodes {
		text := fmt.Sprintf("%s/%s root=%t ok=%d faults=%d total=%d:", n.Name, n.Type, n.Root, n.Statistics.OK, n.Statistics.Faults, n.Statistics.Total)
		for _, e := range n.Edges {
			text += fmt.Sprintf(" →%s×%d", e.To.Name, e.Statistics.Total)
		}
		got = append(got, text)
	}
	want := []string{
		"web/ root=true ok=2 faults=0 total=2: →DynamoDB×2 →api.example×2 →orders×2",
		"web/client root=false ok=2 faults=0 total=2: →web×2",
		"DynamoDB/AWS::DynamoDB root=false ok=2 faults=0 total=2:",
		"api.example/remote root=false ok=2 faults=0 total=2:",
		"orders/AWS::Lambda::Function root=false ok=0 faults=2 total=2:",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if h := nodes[0].Statistics; len(h.Times()) != 1 || h.Times()[0] != 2*time.Second || h.Histogram[2*time.Second] != 2 {
		t.Errorf("response times are %v", h.Histogram)
	}
}

func TestAGraphOverATimeCountsEveryTraceInIt(t *testing.T) {
	tr := openTraces(t, Options{})
	fill(t, tr, 250)
	nodes, err := tr.Graph(t.Context(), account, region, noon.Add(10*time.Second), noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 2 || nodes[0].Statistics.Total != 240 || nodes[0].Statistics.Faults != 80 {
		t.Errorf("got %+v", nodes[0])
	}
}

func TestOldTracesAreSwept(t *testing.T) {
	now := noon
	tr := openTraces(t, Options{Now: func() time.Time { return now }})
	fill(t, tr, 3)
	if err := tr.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		later time.Duration
		left  int
	}{{retention, 3}, {retention + 3*time.Second, 1}, {retention + time.Hour, 0}} {
		swept := &Traces{o: Options{Store: tr.o.Store, Log: tr.o.Log, Now: func() time.Time { return noon.Add(c.later) }}, closing: tr.closing}
		if swept.sweep() {
			t.Error("three traces are more than one sweep deletes")
		}
		page, err := tr.Summaries(t.Context(), Query{Account: account, Region: region, From: noon, To: noon.Add(time.Hour)})
		if err != nil || len(page.Summaries) != c.left {
			t.Errorf("after %s there are %+v, %v", c.later, page, err)
		}
	}
}

// full is a store that always has more to delete.
type full struct{ wick.TraceStore }

func (full) DropTraces(_ context.Context, _ time.Time, limit int) (int, error) { return limit, nil }

func TestASweepThatLeavesSomethingSaysSo(t *testing.T) {
	tr := openTraces(t, Options{Store: full{openStore(t)}})
	if !tr.sweep() {
		t.Error("it says that all is deleted")
	}
}
