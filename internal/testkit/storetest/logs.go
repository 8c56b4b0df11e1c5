package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"context"

	"github.com/wick-run/wick"
)

// LogStore runs the contract of wick.LogStore. open returns an empty store that it
// closes itself when the test ends.
func LogStore(t *testing.T, open func(t *testing.T) wick.LogStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, wick.LogStore)
	}{
		{"a chunk comes back as it was", aChunkComesBack},
		{"a group nobody wrote to is empty", anUnknownGroupIsEmpty},
		{"a range of time gives the chunks that reach into it", timeRanges},
		{"chunks come by their oldest record, or newest first", chunkOrder},
		{"streams and requests select", selections},
		{"groups, accounts and regions are apart", groupsAreApart},
		{"IDs rise in order of storing", idsRise},
		{"chunks come in order of storing, with or without their data", storingOrder},
		{"all of a call is stored or nothing", appendIsOne},
		{"many callers append at once", concurrentAppends},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var (
	logGroup = wick.LogGroupID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "/aws/lambda/hello"}
	noon     = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

// chunk returns a chunk of records from noon plus first to noon plus last seconds.
func chunk(stream string, first, last int, requests ...string) wick.LogChunk {
	return wick.LogChunk{
		Group: logGroup, Stream: stream,
		First: noon.Add(time.Duration(first) * time.Second), Last: noon.Add(time.Duration(last) * time.Second),
		FirstSeq: int64(first), Records: 3, RawBytes: 300, RequestIDs: requests,
		Data: fmt.Appendf(nil, "%s %d-%d", stream, first, last),
	}
}

func aChunkComesBack(t *testing.T, s wick.LogStore) {
	c := chunk("stream [$LATEST]", 0, 5, "request-1", "request-2")
	c.Data = bytes.Repeat([]byte{0, 1, 0xff, '\''}, 100_000)
	appendChunks(t, s, c)
	got := chunks(t, s, wick.LogQuery{Group: logGroup})
	if len(got) != 1 {
		t.Fatalf("%d chunks, want 1", len(got))
	}
	g := got[0]
	if g.Group != c.Group || g.Stream != c.Stream || !g.First.Equal(c.First) || !g.Last.Equal(c.Last) ||
		g.FirstSeq != c.FirstSeq || g.Records != c.Records || g.RawBytes != c.RawBytes || !bytes.Equal(g.Data, c.Data) {
		t.Errorf("got %+v\nwant %+v", g, c)
	}
}

func anUnknownGroupIsEmpty(t *testing.T, s wick.LogStore) {
	if got := chunks(t, s, wick.LogQuery{Group: logGroup}); len(got) != 0 {
		t.Errorf("%d chunks, want none", len(got))
	}
	if err := s.AppendChunks(t.Context(), nil); err != nil {
		t.Errorf("appending nothing: %v", err)
	}
}

func timeRanges(t *testing.T, s wick.LogStore) {
	appendChunks(t, s, chunk("a", 0, 10), chunk("b", 10, 20), chunk("c", 20, 30), chunk("long", 0, 100), chunk("d", 40, 40))
	at := func(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }
	for _, tt := range []struct {
		from, to time.Time
		want     string
	}{
		{time.Time{}, time.Time{}, "[a long b c d]"},
		{at(10), time.Time{}, "[a long b c d]"},
		{at(10.0001), time.Time{}, "[long b c d]"},
		{at(50), at(60), "[long]"},
		{at(40), at(40.001), "[long d]"},
		{at(30.5), at(40), "[long]"},
		{time.Time{}, at(0), "[]"},
		{time.Time{}, at(0.0001), "[a long]"},
		{time.Time{}, at(20), "[a long b]"},
		{at(100), time.Time{}, "[long]"},
		{at(100.001), time.Time{}, "[]"},
	} {
		q := wick.LogQuery{Group: logGroup, From: tt.from, To: tt.to}
		if got := fmt.Sprint(streams(chunks(t, s, q))); got != tt.want {
			t.Errorf("from %v to %v: %s, want %s", tt.from, tt.to, got, tt.want)
		}
		q.Newest = true
		newest := streams(chunks(t, s, q))
		slices.Sort(newest)
		all := streams(chunks(t, s, wick.LogQuery{Group: logGroup, From: tt.from, To: tt.to}))
		slices.Sort(all)
		if !slices.Equal(newest, all) {
			t.Errorf("from %v to %v: newest first gives %v, oldest first %v", tt.from, tt.to, newest, all)
		}
	}
}

func chunkOrder(t *testing.T, s wick.LogStore) {
	appendChunks(t, s, chunk("late", 50, 60), chunk("early", 0, 90), chunk("middle", 20, 30))
	appendChunks(t, s, chunk("middle-too", 20, 30))
	for _, tt := range []struct {
		newest bool
		limit  int
		want   string
	}{
		{false, 0, "[early middle middle-too late]"},
		{false, 2, "[early middle]"},
		{true, 0, "[early late middle-too middle]"},
		{true, 3, "[early late middle-too]"},
	} {
		got := fmt.Sprint(streams(chunks(t, s, wick.LogQuery{Group: logGroup, Newest: tt.newest, Limit: tt.limit})))
		if got != tt.want {
			t.Errorf("newest %v, limit %d: %s, want %s", tt.newest, tt.limit, got, tt.want)
		}
	}
}

func selections(t *testing.T, s wick.LogStore) {
	appendChunks(t, s, chunk("a", 0, 1, "r1", "r2"), chunk("b", 1, 2, "r2"), chunk("c", 2, 3), chunk("a", 3, 4, "r3", "r3"))
	for _, tt := range []struct {
		name string
		q    wick.LogQuery
		want string
	}{
		{"one stream", wick.LogQuery{Streams: []string{"a"}}, "[a a]"},
		{"two streams and one that isn't there", wick.LogQuery{Streams: []string{"b", "c", "x"}}, "[b c]"},
		{"a request", wick.LogQuery{RequestID: "r2"}, "[a b]"},
		{"a request named twice", wick.LogQuery{RequestID: "r3"}, "[a]"},
		{"a request that isn't there", wick.LogQuery{RequestID: "r9"}, "[]"},
		{"a request in a stream", wick.LogQuery{RequestID: "r2", Streams: []string{"b"}}, "[b]"},
		{"a request in a range", wick.LogQuery{RequestID: "r2", From: noon.Add(1500 * time.Millisecond)}, "[b]"},
	} {
		tt.q.Group = logGroup
		if got := fmt.Sprint(streams(chunks(t, s, tt.q))); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func groupsAreApart(t *testing.T, s wick.LogStore) {
	groups := []wick.LogGroupID{logGroup,
		{Account: "111111111111", Region: logGroup.Region, Name: logGroup.Name},
		{Account: logGroup.Account, Region: "eu-central-1", Name: logGroup.Name},
		{Account: logGroup.Account, Region: logGroup.Region, Name: logGroup.Name + "-2"}}
	var all []wick.LogChunk
	for i, g := range groups {
		c := chunk("stream", 0, 1, "request")
		c.Group, c.Data = g, []byte{byte(i)}
		all = append(all, c)
	}
	appendChunks(t, s, all...)
	for i, g := range groups {
		got := chunks(t, s, wick.LogQuery{Group: g, RequestID: "request", Streams: []string{"stream"}})
		if len(got) != 1 || !bytes.Equal(got[0].Data, []byte{byte(i)}) {
			t.Errorf("%v: %+v", g, got)
		}
	}
}

func idsRise(t *testing.T, s wick.LogStore) {
	var last int64
	for i := range 5 {
		appendChunks(t, s, chunk("a", 10-i, 20), chunk("b", 10-i, 20))
		got := chunks(t, s, wick.LogQuery{Group: logGroup, Limit: 2}) // the latest begin earliest
		if len(got) != 2 || got[0].ID <= last || got[1].ID <= got[0].ID {
			t.Fatalf("after chunk %d: %+v", last, got)
		}
		last = got[1].ID
	}
}

func storingOrder(t *testing.T, s wick.LogStore) {
	other := chunk("o", 0, 1)
	other.Group.Name += "-other"
	appendChunks(t, s, chunk("a", 9, 10), other, chunk("b", 0, 1), chunk("c", 5, 6))
	after := func(id int64, limit int) []wick.StoredLogChunk {
		return chunks(t, s, wick.LogQuery{Group: logGroup, Stored: &id, Limit: limit})
	}
	first := after(0, 2)
	if got := fmt.Sprint(streams(first)); got != "[a b]" {
		t.Fatalf("stored first: %s", got)
	}
	rest := after(first[1].ID, 2)
	if got := fmt.Sprint(streams(rest)); got != "[c]" {
		t.Fatalf("stored then: %s", got)
	}
	if none := after(rest[0].ID, 2); len(none) != 0 {
		t.Errorf("stored last: %v", streams(none))
	}
	bare := chunks(t, s, wick.LogQuery{Group: logGroup, NoData: true})
	if got := fmt.Sprint(streams(bare)); got != "[b c a]" || bare[0].Data != nil || bare[0].Records != 3 || bare[0].RawBytes != 300 {
		t.Errorf("without data: %s, %+v", got, bare[0])
	}
	some := chunks(t, s, wick.LogQuery{Group: logGroup, IDs: []int64{first[0].ID, rest[0].ID, 1 << 40}})
	if got := fmt.Sprint(streams(some)); got != "[c a]" || len(some[0].Data) == 0 {
		t.Errorf("by ID: %s", got)
	}
}

func appendIsOne(t *testing.T, s wick.LogStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.AppendChunks(ctx, []wick.LogChunk{chunk("a", 0, 1), chunk("b", 0, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := chunks(t, s, wick.LogQuery{Group: logGroup}); len(got) != 0 {
		t.Errorf("%d chunks are there", len(got))
	}
}

func concurrentAppends(t *testing.T, s wick.LogStore) {
	const callers, each = 8, 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				appendChunks(t, s, chunk(fmt.Sprint("stream-", i), j, j+1))
			}
		})
	}
	wg.Wait()
	got := chunks(t, s, wick.LogQuery{Group: logGroup, Limit: 2 * callers * each})
	if len(got) != callers*each {
		t.Errorf("%d chunks, want %d", len(got), callers*each)
	}
}

func appendChunks(t *testing.T, s wick.LogStore, c ...wick.LogChunk) {
	t.Helper()
	if err := s.AppendChunks(t.Context(), c); err != nil {
		t.Errorf("appending %d chunks: %v", len(c), err)
	}
}

func chunks(t *testing.T, s wick.LogStore, q wick.LogQuery) []wick.StoredLogChunk {
	t.Helper()
	got, err := s.Chunks(t.Context(), q)
	if err != nil {
		t.Fatalf("querying %+v: %v", q, err)
	}
	return got
}

func streams(list []wick.StoredLogChunk) []string {
	names := []string{}
	for _, c := range list {
		names = append(names, c.Stream)
	}
	return names
}
