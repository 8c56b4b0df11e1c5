package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestADatabaseFromBeforeLogGroupsHadSettingsIsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wick.db")
	steps, err := readMigrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range append(steps[:2:2],
		`INSERT INTO log_groups (id, account, region, name, created_ms, span_ms) VALUES (1, '000000000000', 'us-east-1', '/aws/lambda/f', 1000, 500)`,
		`INSERT INTO log_streams (id, group_id, name, created_ms) VALUES (7, 1, 'full', 1000), (8, 1, 'empty', 2000)`,
		`INSERT INTO log_chunks (group_id, stream_id, first_ms, last_ms, first_seq, records, raw_bytes, data)
			VALUES (1, 7, 1000, 1500, 0, 1, 9, x'010203'), (1, 7, 1400, 1800, 1, 1, 9, x'04')`,
		`PRAGMA application_id = 1466524523`, `PRAGMA user_version = 2`) {
		if _, err := db.Exec(step); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	id := wick.LogGroupID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "/aws/lambda/f"}
	g, err := s.LogGroup(t.Context(), id)
	if err != nil || g.StoredBytes != 4 || g.Class != "STANDARD" || g.RetentionDays != 0 || !g.Created.Equal(time.UnixMilli(1000)) {
		t.Errorf("%+v, %v", g, err)
	}
	st, err := s.LogStream(t.Context(), id, "full")
	if err != nil || st.First.UnixMilli() != 1000 || st.Last.UnixMilli() != 1800 || st.Ingested.UnixMilli() != 1800 {
		t.Errorf("%+v, %v", st, err)
	}
	st, err = s.LogStream(t.Context(), id, "empty")
	if err != nil || !st.Ingested.IsZero() {
		t.Errorf("%+v, %v", st, err)
	}
}
