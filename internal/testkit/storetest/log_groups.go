package storetest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// LogGroups is a store of log groups and their text.
type LogGroups interface {
	wick.LogStore
	wick.LogGroupStore
}

// LogGroupStore runs the contract of wick.LogGroupStore. open returns an empty store
// that it closes itself when the test ends.
func LogGroupStore(t *testing.T, open func(t *testing.T) LogGroups) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, LogGroups)
	}{
		{"a group keeps its settings", aGroupKeepsItsSettings},
		{"what isn't there is NotFound, what is there Conflict", groupErrors},
		{"groups are listed by name", groupsAreListed},
		{"a stream knows what its records span", streamsKnowTheirSpan},
		{"a deleted group is gone at once and its text by and by", deletedGroupsAreSwept},
		{"a deleted stream takes its text", deletedStreams},
		{"what is older than its group keeps is swept", retention},
		{"filters are kept by group and kind", filters},
		{"a filter remembers how far it has come", positions},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func makeGroup(t *testing.T, s LogGroups, id wick.LogGroupID) {
	t.Helper()
	if err := s.CreateLogGroup(t.Context(), wick.LogGroup{LogGroupID: id, Created: noon, Class: "STANDARD"}); err != nil {
		t.Fatal(err)
	}
}

func wantErrorOf(t *testing.T, what string, err error, kind wick.Kind) {
	t.Helper()
	if err == nil || wick.KindOf(err) != kind {
		t.Errorf("%s: %v, want kind %d", what, err, kind)
	}
}

func aGroupKeepsItsSettings(t *testing.T, s LogGroups) {
	g := wick.LogGroup{LogGroupID: logGroup, Created: noon, Class: "INFREQUENT_ACCESS", KMSKeyID: "key", DeletionProtected: true, Tags: map[string]string{"a": "b"}}
	if err := s.CreateLogGroup(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateLogGroup(t.Context(), logGroup, func(g *wick.LogGroup) error { g.RetentionDays, g.Tags["c"] = 7, "d"; return nil }); err != nil {
		t.Fatal(err)
	}
	refused := wick.Errorf(wick.InvalidParameter, "no")
	if err := s.UpdateLogGroup(t.Context(), logGroup, func(g *wick.LogGroup) error { g.RetentionDays = 9; return refused }); wick.KindOf(err) != wick.InvalidParameter {
		t.Errorf("a refused change: %v", err)
	}
	got, err := s.LogGroup(t.Context(), logGroup)
	if err != nil {
		t.Fatal(err)
	}
	if got.LogGroupID != logGroup || !got.Created.Equal(noon) || got.Class != g.Class || got.KMSKeyID != "key" || !got.DeletionProtected || got.RetentionDays != 7 ||
		!maps.Equal(got.Tags, map[string]string{"a": "b", "c": "d"}) {
		t.Errorf("got %+v", got)
	}
}

func groupErrors(t *testing.T, s LogGroups) {
	ctx := t.Context()
	_, err := s.LogGroup(ctx, logGroup)
	wantErrorOf(t, "reading no group", err, wick.NotFound)
	_, err = s.LogStreams(ctx, wick.LogStreamQuery{Group: logGroup})
	wantErrorOf(t, "listing streams of no group", err, wick.NotFound)
	wantErrorOf(t, "a stream in no group", s.CreateLogStream(ctx, logGroup, "s", noon), wick.NotFound)
	wantErrorOf(t, "deleting no group", s.DeleteLogGroup(ctx, logGroup), wick.NotFound)
	wantErrorOf(t, "changing no group", s.UpdateLogGroup(ctx, logGroup, func(*wick.LogGroup) error { return nil }), wick.NotFound)
	makeGroup(t, s, logGroup)
	wantErrorOf(t, "a group twice", s.CreateLogGroup(ctx, wick.LogGroup{LogGroupID: logGroup, Created: noon}), wick.Conflict)
	_, err = s.LogStream(ctx, logGroup, "s")
	wantErrorOf(t, "reading no stream", err, wick.NotFound)
	wantErrorOf(t, "deleting no stream", s.DeleteLogStream(ctx, logGroup, "s"), wick.NotFound)
	if err := s.CreateLogStream(ctx, logGroup, "s", noon); err != nil {
		t.Fatal(err)
	}
	wantErrorOf(t, "a stream twice", s.CreateLogStream(ctx, logGroup, "s", noon), wick.Conflict)
	wantErrorOf(t, "deleting no filter", s.DeleteLogFilter(ctx, logGroup, wick.MetricFilter, "f"), wick.NotFound)
}

func groupsAreListed(t *testing.T, s LogGroups) {
	for _, name := range []string{"/b", "/a/2", "/a/1", "/A", "x%a"} {
		makeGroup(t, s, wick.LogGroupID{Account: "1", Region: "r", Name: name})
	}
	makeGroup(t, s, wick.LogGroupID{Account: "2", Region: "r", Name: "/a/3"})
	for _, tt := range []struct {
		q    wick.LogGroupQuery
		want string
	}{
		{wick.LogGroupQuery{}, "[/A /a/1 /a/2 /b x%a]"},
		{wick.LogGroupQuery{Prefix: "/a/"}, "[/a/1 /a/2]"},
		{wick.LogGroupQuery{Contains: "a"}, "[/a/1 /a/2 x%a]"},
		{wick.LogGroupQuery{Contains: "%"}, "[x%a]"},
		{wick.LogGroupQuery{After: "/a/1", Limit: 2}, "[/a/2 /b]"},
		{wick.LogGroupQuery{Prefix: "/none"}, "[]"},
	} {
		tt.q.Account, tt.q.Region = "1", "r"
		list, err := s.LogGroups(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, g := range list {
			names = append(names, g.Name)
		}
		if got := fmt.Sprint(names); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
}

func streamsKnowTheirSpan(t *testing.T, s LogGroups) {
	makeGroup(t, s, logGroup)
	if err := s.CreateLogStream(t.Context(), logGroup, "a", noon); err != nil {
		t.Fatal(err)
	}
	st, err := s.LogStream(t.Context(), logGroup, "a")
	if err != nil || !st.First.IsZero() || !st.Last.IsZero() || !st.Ingested.IsZero() {
		t.Errorf("an empty stream: %+v, %v", st, err)
	}
	appendChunks(t, s, chunk("a", 10, 20), chunk("a", 5, 7), chunk("a", 8, 30))
	if st, err = s.LogStream(t.Context(), logGroup, "a"); err != nil || !st.First.Equal(noon.Add(5*time.Second)) || !st.Last.Equal(noon.Add(30*time.Second)) || st.Ingested.IsZero() {
		t.Errorf("after three chunks: %+v, %v", st, err)
	}
	g, err := s.LogGroup(t.Context(), logGroup)
	if err != nil || g.StoredBytes != int64(len("a 10-20")+len("a 5-7")+len("a 8-30")) {
		t.Errorf("the group has %d bytes, %v", g.StoredBytes, err)
	}
}

// sweep calls SweepLogs until there is nothing left and returns how much it found.
func sweep(t *testing.T, s LogGroups, now time.Time, limit int) int {
	t.Helper()
	all := 0
	for {
		n, err := s.SweepLogs(t.Context(), now, limit)
		if err != nil {
			t.Fatal(err)
		}
		if n > 2*limit { // of either kind
			t.Errorf("one sweep deleted %d chunks", n)
		}
		if all += n; n == 0 {
			return all
		}
	}
}

func deletedGroupsAreSwept(t *testing.T, s LogGroups) {
	for i := range 7 {
		appendChunks(t, s, chunk("a", i, i, "r"))
	}
	for range 2 { // a group of the same name can be made and deleted again
		if err := s.DeleteLogGroup(t.Context(), logGroup); err != nil {
			t.Fatal(err)
		}
		if got := chunks(t, s, wick.LogQuery{Group: logGroup}); len(got) != 0 {
			t.Errorf("%d chunks of a deleted group", len(got))
		}
		list, err := s.LogGroups(t.Context(), wick.LogGroupQuery{Account: logGroup.Account, Region: logGroup.Region})
		if err != nil || len(list) != 0 {
			t.Errorf("groups %v, %v", list, err)
		}
		appendChunks(t, s, chunk("a", 50, 50, "r"))
	}
	if n := sweep(t, s, noon, 3); n != 8 {
		t.Errorf("%d chunks were swept, want 8", n)
	}
	if got := chunks(t, s, wick.LogQuery{Group: logGroup, RequestID: "r"}); len(got) != 1 {
		t.Errorf("%d chunks of the new group, want 1", len(got))
	}
}

func deletedStreams(t *testing.T, s LogGroups) {
	appendChunks(t, s, chunk("a", 0, 1), chunk("b", 0, 1), chunk("a", 2, 3))
	if err := s.DeleteLogStream(t.Context(), logGroup, "a"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(streams(chunks(t, s, wick.LogQuery{Group: logGroup}))); got != "[b]" {
		t.Errorf("chunks of %s", got)
	}
	if list, err := s.LogStreams(t.Context(), wick.LogStreamQuery{Group: logGroup}); err != nil || len(list) != 1 || list[0].Name != "b" {
		t.Errorf("left are the streams %+v, %v", list, err)
	}
	// A stream of that name is another one, and the text of the old goes bit by bit.
	appendChunks(t, s, chunk("a", 5, 6))
	if n := sweep(t, s, noon, 1); n != 2 {
		t.Errorf("%d chunks were swept, want 2", n)
	}
	if got := fmt.Sprint(streams(chunks(t, s, wick.LogQuery{Group: logGroup}))); got != "[b a]" {
		t.Errorf("left are chunks of %s", got)
	}
	if g, err := s.LogGroup(t.Context(), logGroup); err != nil || g.StoredBytes != int64(len("b 0-1")+len("a 5-6")) {
		t.Errorf("the group has %d bytes, %v", g.StoredBytes, err)
	}
	if all, err := s.LogGroups(t.Context(), wick.LogGroupQuery{Account: logGroup.Account, Region: logGroup.Region}); err != nil || len(all) != 1 {
		t.Errorf("the groups are %+v, %v", all, err)
	}
}

func retention(t *testing.T, s LogGroups) {
	forever := logGroup
	forever.Name = "forever"
	old := chunk("a", 0, 1)
	old.Group = forever
	appendChunks(t, s, old, chunk("a", 0, 1), chunk("a", 2, 3), chunk("b", 0, 100), chunk("a", 200, 201))
	if err := s.UpdateLogGroup(t.Context(), logGroup, func(g *wick.LogGroup) error { g.RetentionDays = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	now := noon.Add(24*time.Hour + 50*time.Second)
	if n := sweep(t, s, now, 1); n != 2 {
		t.Errorf("%d chunks were swept, want 2", n)
	}
	if got := fmt.Sprint(streams(chunks(t, s, wick.LogQuery{Group: logGroup}))); got != "[b a]" {
		t.Errorf("left are chunks of %s", got)
	}
	if st, err := s.LogStream(t.Context(), logGroup, "a"); err != nil || !st.First.Equal(noon.Add(200*time.Second)) {
		t.Errorf("the stream begins at %v, %v", st.First, err)
	}
	if g, err := s.LogGroup(t.Context(), logGroup); err != nil || g.StoredBytes != int64(len("b 0-100")+len("a 200-201")) {
		t.Errorf("the group has %d bytes, %v", g.StoredBytes, err)
	}
	if got := chunks(t, s, wick.LogQuery{Group: forever}); len(got) != 1 {
		t.Errorf("%d chunks of a group without retention", len(got))
	}
}

func filters(t *testing.T, s LogGroups) {
	other := logGroup
	other.Name = "other"
	makeGroup(t, s, logGroup)
	makeGroup(t, s, other)
	put := func(group wick.LogGroupID, kind wick.LogFilterKind, name, pattern string) error {
		return s.PutLogFilter(t.Context(), wick.LogFilter{Group: group, Kind: kind, Name: name, Pattern: pattern, Created: noon}, 2)
	}
	for _, f := range []struct {
		group wick.LogGroupID
		kind  wick.LogFilterKind
		name  string
	}{{logGroup, wick.MetricFilter, "b"}, {logGroup, wick.MetricFilter, "a"}, {other, wick.MetricFilter, "c"}, {logGroup, wick.SubscriptionFilter, "a"}} {
		if err := put(f.group, f.kind, f.name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	wantErrorOf(t, "one too many", put(logGroup, wick.MetricFilter, "d", "x"), wick.TooManyRequests)
	if err := put(logGroup, wick.MetricFilter, "a", "changed"); err != nil {
		t.Errorf("changing one of the most there may be: %v", err)
	}
	list := func(q wick.LogFilterQuery) string {
		t.Helper()
		found, err := s.LogFilters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, f := range found {
			names = append(names, f.Name+"="+f.Pattern)
		}
		return fmt.Sprint(names)
	}
	everywhere := wick.LogGroupID{Account: logGroup.Account, Region: logGroup.Region}
	for _, tt := range []struct {
		q    wick.LogFilterQuery
		want string
	}{
		{wick.LogFilterQuery{Group: logGroup, Kind: wick.MetricFilter}, "[a=changed b=x]"},
		{wick.LogFilterQuery{Group: logGroup, Kind: wick.MetricFilter, Prefix: "b"}, "[b=x]"},
		{wick.LogFilterQuery{Group: everywhere, Kind: wick.MetricFilter}, "[a=changed b=x c=x]"},
		{wick.LogFilterQuery{Kind: wick.MetricFilter}, "[a=changed b=x c=x]"},
		{wick.LogFilterQuery{Group: logGroup, Kind: wick.SubscriptionFilter}, "[a=x]"},
	} {
		if got := list(tt.q); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	if g, err := s.LogGroup(t.Context(), logGroup); err != nil || g.MetricFilters != 2 {
		t.Errorf("the group has %d metric filters, %v", g.MetricFilters, err)
	}
	if err := s.DeleteLogFilter(t.Context(), logGroup, wick.MetricFilter, "a"); err != nil {
		t.Fatal(err)
	}
	if got := list(wick.LogFilterQuery{Group: logGroup, Kind: wick.MetricFilter}); got != "[b=x]" {
		t.Errorf("after deleting: %s", got)
	}
}

func positions(t *testing.T, s LogGroups) {
	makeGroup(t, s, logGroup)
	f := wick.LogFilter{Group: logGroup, Kind: wick.SubscriptionFilter, Name: "f", Created: noon}
	position := func() int64 {
		t.Helper()
		found, err := s.LogFilters(t.Context(), wick.LogFilterQuery{Group: logGroup, Kind: f.Kind})
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		return found[0].Position
	}
	put := func() {
		t.Helper()
		if err := s.PutLogFilter(t.Context(), f, 2); err != nil {
			t.Fatal(err)
		}
	}
	advance := func(name string, to int64) {
		t.Helper()
		if err := s.AdvanceLogFilter(t.Context(), logGroup, f.Kind, name, to); err != nil {
			t.Fatal(err)
		}
	}
	appendChunks(t, s, chunk("a", 0, 1), chunk("a", 1, 2))
	put()
	began := position()
	if none := chunks(t, s, wick.LogQuery{Group: logGroup, Stored: &began}); len(none) != 0 {
		t.Errorf("a new filter begins before %d chunks", len(none))
	}
	advance("f", began+5)
	advance("f", began+3)
	advance("another", began+9)
	f.Pattern = "changed"
	put()
	if got := position(); got != began+5 {
		t.Errorf("it is at %d, want %d", got, began+5)
	}
	if err := s.DeleteLogFilter(t.Context(), logGroup, f.Kind, "f"); err != nil {
		t.Fatal(err)
	}
	put()
	if got := position(); got != began {
		t.Errorf("made anew it is at %d, want %d", got, began)
	}
}
