package logs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// dropCount is a recorder that adds up what it is told was dropped.
type dropCount struct{ records, bytes atomic.Int64 }

// Record implements wick.Recorder.
func (d *dropCount) Record(_ time.Time, _ *wick.Source, e wick.Event) {
	if dropped, ok := e.(wick.LogsDropped); ok {
		d.records.Add(dropped.Records)
		d.bytes.Add(dropped.Bytes)
	}
}

// TestWhatIsDroppedIsInTheStreamAndCounted also when nothing comes after it: the log is
// closed, as when the server stops, and the instance has gone.
func TestWhatIsDroppedIsInTheStreamAndCounted(t *testing.T) {
	for _, format := range []string{"Text", "JSON"} {
		t.Run(format, func(t *testing.T) {
			under := openStore(t)
			store, count := &gatedStore{LogStore: under}, &dropCount{}
			l, err := Open(Options{Store: store, Dropped: count, Log: slog.New(slog.DiscardHandler), FlushEvery: time.Hour, MaxPending: 20_000, ChunkBytes: 1000})
			if err != nil {
				t.Fatal(err)
			}
			src := source("a")
			f := *src.Function
			f.Logging.Format = format
			src.Function = &f
			store.mu.Lock()
			const lines = 300
			text := `{"n":"` + strings.Repeat("x", 91) + `"}`
			for range lines {
				line(l, noon, src, "r", text)
			}
			l.Record(noon, src, wick.StateChanged{To: wick.InstanceStopped})
			go func() {
				<-l.closing // the store takes nothing before the log is being closed
				store.mu.Unlock()
			}()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openLogs(t, Options{Store: under})
			kept, records, bytes := 0, int64(0), int64(0)
			for _, r := range read(t, l, Query{}) {
				if r.Message == text+"\n" {
					kept++
					continue
				}
				var told struct {
					Type   string
					Record struct {
						Reason, DroppedReason        string
						DroppedRecords, DroppedBytes int64
					}
				}
				n, size := int64(0), int64(0)
				if format == "JSON" {
					if err := json.Unmarshal([]byte(r.Message), &told); err != nil || told.Type != "platform.logsDropped" || told.Record.Reason == "" {
						t.Errorf("a record is %q (%v)", r.Message, err)
					}
					n, size = told.Record.DroppedRecords, told.Record.DroppedBytes
				} else if _, err := fmt.Sscanf(r.Message, "LOGS_DROPPED\tRecords: %d\tBytes: %d\tReason: "+droppedReason+"\n", &n, &size); err != nil {
					t.Errorf("a record is %q (%v)", r.Message, err)
				}
				records, bytes = records+n, bytes+size
			}
			if kept == 0 || records == 0 || int64(kept)+records != lines || bytes != records*int64(len(text)+1) {
				t.Errorf("%d lines were kept and %d of %d bytes told to be dropped, of %d", kept, records, bytes, lines)
			}
			if count.records.Load() != records || count.bytes.Load() != bytes {
				t.Errorf("counted %d records of %d bytes, the stream says %d of %d", count.records.Load(), count.bytes.Load(), records, bytes)
			}
		})
	}
}
