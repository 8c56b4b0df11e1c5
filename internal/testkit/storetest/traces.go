package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// TraceStore runs the contract of wick.TraceStore. open returns an empty store that it
// closes itself when the test ends.
func TraceStore(t *testing.T, open func(t *testing.T) wick.TraceStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, wick.TraceStore)
	}{
		{"segments come back by trace, in order of time", segmentsComeBack},
		{"a whole segment replaces the one in progress", segmentsAreReplaced},
		{"traces are listed latest first, page by page", tracesArePaged},
		{"accounts and regions are apart", tracesAreApart},
		{"old traces are dropped with all they have", tracesAreDropped},
		{"a trace that grows too large takes no more", tracesAreBounded},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func traceID(n int) string { return fmt.Sprintf("1-6a000000-%024x", n) }

func segment(trace, id int, at time.Duration, document string) wick.TraceSegment {
	return wick.TraceSegment{
		Account: wick.DefaultAccount, Region: wick.DefaultRegion, TraceID: traceID(trace), ID: fmt.Sprintf("%016x", id),
		Start: noon.Add(at), End: noon.Add(at + time.Second), Document: []byte(document),
	}
}

func putSegments(t *testing.T, s wick.TraceStore, segments ...wick.TraceSegment) {
	t.Helper()
	if err := s.PutSegments(t.Context(), segments); err != nil {
		t.Fatal(err)
	}
}

func tracesByID(t *testing.T, s wick.TraceStore, ids ...string) []wick.StoredTrace {
	t.Helper()
	got, err := s.TracesByID(t.Context(), wick.DefaultAccount, wick.DefaultRegion, ids)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func documentsOf(t wick.StoredTrace) string { return string(bytes.Join(t.Documents, []byte(" "))) }

func segmentsComeBack(t *testing.T, s wick.TraceStore) {
	putSegments(t, s, segment(1, 2, time.Second, "b"), segment(1, 1, 0, "a"), segment(2, 1, 0, "other"))
	putSegments(t, s, segment(1, 3, time.Minute, "c"))
	got := tracesByID(t, s, traceID(2), traceID(9), traceID(1), traceID(1))
	if len(got) != 2 || got[0].ID != traceID(2) || got[1].ID != traceID(1) {
		t.Fatalf("got %+v", got)
	}
	if documentsOf(got[1]) != "a b c" || documentsOf(got[0]) != "other" || !got[1].Start.Equal(noon) || got[1].LimitExceeded {
		t.Errorf("got %+v", got)
	}
}

func segmentsAreReplaced(t *testing.T, s wick.TraceStore) {
	putSegments(t, s, segment(1, 1, 0, "in progress"))
	putSegments(t, s, segment(1, 1, 0, "whole"))
	if got := tracesByID(t, s, traceID(1)); len(got) != 1 || documentsOf(got[0]) != "whole" {
		t.Errorf("got %+v", got)
	}
}

func tracesArePaged(t *testing.T, s wick.TraceStore) {
	for n := range 7 { // two at each time
		putSegments(t, s, segment(n, 1, time.Duration(n/2)*time.Second, "x"), segment(n, 2, time.Hour, "y"))
	}
	q := wick.TraceQuery{
		Account: wick.DefaultAccount, Region: wick.DefaultRegion,
		From: noon, To: noon.Add(2 * time.Second), Limit: 4,
	}
	var ids []string
	for {
		page, err := s.Traces(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > q.Limit {
			t.Fatalf("%d traces, limit %d", len(page), q.Limit)
		}
		for _, tr := range page {
			ids = append(ids, tr.ID)
			if documentsOf(tr) != "x y" {
				t.Errorf("%s has %s", tr.ID, documentsOf(tr))
			}
			q.Before = wick.TraceCursor{Start: tr.Start, ID: tr.ID}
		}
		if len(page) < q.Limit {
			break
		}
	}
	if want := []string{traceID(5), traceID(4), traceID(3), traceID(2), traceID(1), traceID(0)}; !slices.Equal(ids, want) {
		t.Errorf("got %q, want %q", ids, want)
	}
}

func tracesAreApart(t *testing.T, s wick.TraceStore) {
	there := segment(1, 1, 0, "there")
	there.Region = "eu-west-1"
	putSegments(t, s, segment(1, 1, 0, "here"), there)
	if got := tracesByID(t, s, traceID(1)); len(got) != 1 || documentsOf(got[0]) != "here" {
		t.Errorf("got %+v", got)
	}
	got, err := s.Traces(t.Context(), wick.TraceQuery{Account: wick.DefaultAccount, Region: "eu-west-1", From: noon, To: noon})
	if err != nil || len(got) != 1 || documentsOf(got[0]) != "there" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func tracesAreDropped(t *testing.T, s wick.TraceStore) {
	ctx := context.WithoutCancel(t.Context())
	putSegments(t, s, segment(1, 1, 0, "a"), segment(2, 1, 0, "b"), segment(3, 1, 0, "c"), segment(3, 2, time.Hour, "late"))
	for _, want := range []int{1, 1, 0} {
		n, err := s.DropTraces(ctx, noon.Add(time.Minute), 1)
		if err != nil || n != want {
			t.Fatalf("dropped %d, %v; want %d", n, err, want)
		}
	}
	if got := tracesByID(t, s, traceID(1), traceID(2), traceID(3)); len(got) != 1 || got[0].ID != traceID(3) {
		t.Errorf("left are %+v", got)
	}
	putSegments(t, s, segment(1, 9, 0, "new"))
	if got := tracesByID(t, s, traceID(1)); len(got) != 1 || documentsOf(got[0]) != "new" {
		t.Errorf("got %+v", got)
	}
}

func tracesAreBounded(t *testing.T, s wick.TraceStore) {
	third := string(make([]byte, wick.MaxTraceBytes/3))
	for n := range 5 {
		putSegments(t, s, segment(1, n, time.Duration(n)*time.Second, third))
	}
	got := tracesByID(t, s, traceID(1))
	if len(got) != 1 || len(got[0].Documents) != 3 || !got[0].LimitExceeded {
		t.Fatalf("%d traces, %d documents, exceeded %t", len(got), len(got[0].Documents), got[0].LimitExceeded)
	}
	putSegments(t, s, segment(1, 1, time.Second, third)) // again: no larger
	if got := tracesByID(t, s, traceID(1)); len(got[0].Documents) != 3 {
		t.Errorf("%d documents", len(got[0].Documents))
	}
}
