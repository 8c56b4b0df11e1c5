package sqlstore

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// TestChunksAreFoundByWhatNamesThem guards against plans that go through all chunks of a
// group, of which there can be a million, to find a few.
func TestChunksAreFoundByWhatNamesThem(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	after, now := int64(3), time.Now()
	for _, tt := range []struct {
		name, want string
		q          wick.LogQuery
	}{
		{"a range of time", "INDEX log_chunks_oldest (group_id=? AND first_ms>? AND first_ms<?)", wick.LogQuery{From: now, To: now}},
		{"the newest", "INDEX log_chunks_newest (group_id=? AND last_ms<?)", wick.LogQuery{Newest: true, To: now}},
		{"a stream", "INDEX log_chunks_stream (stream_id=?)", wick.LogQuery{Streams: []string{"s"}}},
		{"a stream's newest", "INDEX log_chunks_stream_newest (stream_id=?)", wick.LogQuery{Streams: []string{"s"}, Newest: true}},
		{"a request", "INTEGER PRIMARY KEY (rowid=?)", wick.LogQuery{RequestID: "r"}},
		{"a request in a stream", "INTEGER PRIMARY KEY (rowid=?)", wick.LogQuery{RequestID: "r", Streams: []string{"s"}, Newest: true}},
		{"some IDs", "INTEGER PRIMARY KEY (rowid=?)", wick.LogQuery{IDs: []int64{1, 2}}},
		{"what was stored since", "INDEX log_chunks_group (group_id=? AND rowid>?)", wick.LogQuery{Stored: &after}},
	} {
		text, args, err := chunkQuery(tt.q)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		found := ""
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if what, ok := strings.CutPrefix(detail, "SEARCH c USING "); ok && found == "" {
				found = what
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if found != tt.want {
			t.Errorf("%s is found by %s, want %s", tt.name, found, tt.want)
		}
	}
}
