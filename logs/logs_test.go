package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// openStore returns a real store in a folder of its own.
func openStore(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
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

// openLogs opens a log that is closed, and must close well, when the test ends.
func openLogs(t testing.TB, o Options) *Logs {
	t.Helper()
	if o.Store == nil {
		o.Store = openStore(t)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// source returns an instance of function hello that logs to a stream.
func source(stream string) *wick.Source {
	return &wick.Source{
		InstanceID: "0123456789abcdef0123456789abcdef",
		Function: &wick.Function{
			FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "hello"},
			Version:    wick.Latest,
			Logging:    wick.LoggingConfig{Format: "Text"},
		},
		LogGroup: "/aws/lambda/hello", LogStream: stream,
	}
}

var helloGroup = wick.LogGroupID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "/aws/lambda/hello"}

// line records one printed line.
func line(l *Logs, at time.Time, src *wick.Source, request, text string) {
	l.Record(at, src, wick.LogLine{RequestID: request, Text: text})
}

func flush(t testing.TB, l *Logs) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, l *Logs, q Query) []wick.LogEvent {
	t.Helper()
	if q.Group.Name == "" {
		q.Group = helloGroup
	}
	got, err := l.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// messages shortens records to "request: message".
func messages(events []wick.LogEvent) []string {
	list := []string{}
	for _, e := range events {
		list = append(list, strings.TrimSuffix(e.RequestID+": "+e.Message, "\n"))
	}
	return list
}

func want(t testing.TB, got []wick.LogEvent, want ...string) {
	t.Helper()
	if g, w := fmt.Sprintf("%q", messages(got)), fmt.Sprintf("%q", append([]string{}, want...)); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func TestAnInvocationReadsAsAWSWouldShowIt(t *testing.T) {
	l := openLogs(t, Options{})
	src := source("2026/11/24/[$LATEST]a")
	l.Record(noon, src, wick.InitStart{Phase: wick.PhaseInit, RuntimeVersion: "python:3.12.v1"})
	line(l, noon, src, "", "importing")
	l.Record(noon, src, wick.InitDone{Phase: wick.PhaseInit, Status: wick.StatusSuccess, Duration: time.Second})
	l.Record(noon, src, wick.StateChanged{From: wick.InstanceIdle, To: wick.InstanceBusy})
	l.Record(noon, src, wick.InvokeStart{RequestID: "r1", Version: wick.Latest})
	line(l, noon, src, "r1", "two\nlines")
	l.Record(noon.Add(time.Second), src, wick.Fault{RequestID: "r1", Text: "T r1 Task timed out after 1.00 seconds\n\n"})
	l.Record(noon.Add(time.Second), src, wick.RuntimeDone{RequestID: "r1", Status: wick.StatusTimeout})
	l.Record(noon.Add(time.Second), src, wick.Report{RequestID: "r1", Status: wick.StatusTimeout, Duration: time.Second, Billed: time.Second, MemoryMB: 128, MaxMemoryMB: 30})
	expected := []string{
		": INIT_START Runtime Version: python:3.12.v1",
		": importing",
		"r1: START RequestId: r1 Version: $LATEST",
		"r1: two\nlines",
		"r1: T r1 Task timed out after 1.00 seconds\n",
		"r1: END RequestId: r1",
		"r1: REPORT RequestId: r1\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: timeout",
	}
	inMemory := read(t, l, Query{})
	want(t, inMemory, expected...)
	flush(t, l)
	stored := read(t, l, Query{})
	want(t, stored, expected...)
	for i := range stored {
		if stored[i] != inMemory[i] {
			t.Errorf("stored %+v\nin memory %+v", stored[i], inMemory[i])
		}
		if stored[i].Seq != stored[0].Seq+int64(i) || stored[i].Stream != src.LogStream {
			t.Errorf("record %d has number %d in stream %s", i, stored[i].Seq, stored[i].Stream)
		}
	}
	if last := stored[len(stored)-1]; !last.Timestamp.Equal(noon.Add(time.Second)) || last.Ingested.Before(last.Timestamp) {
		t.Errorf("the report is of %v, ingested %v", last.Timestamp, last.Ingested)
	}
}

func TestARecordIsKeptInItsFunctionsFormatGroupAndAccount(t *testing.T) {
	l := openLogs(t, Options{})
	src := source("stream")
	src.Function.Account, src.Function.Region, src.LogGroup = "111111111111", "eu-central-1", "custom"
	src.Function.Logging = wick.LoggingConfig{Format: "JSON", SystemLevel: "WARN"}
	l.Record(noon, src, wick.InvokeStart{RequestID: "r1", Version: wick.Latest})
	line(l, noon, src, "r1", `{"level":"DEBUG"}`)
	line(l, noon, src, "r1", `{"level":"ERROR"}`)
	want(t, read(t, l, Query{Group: wick.LogGroupID{Account: "111111111111", Region: "eu-central-1", Name: "custom"}}), `r1: {"level":"ERROR"}`)
	want(t, read(t, l, Query{Group: wick.LogGroupID{Account: wick.DefaultAccount, Region: "eu-central-1", Name: "custom"}}))
}

func TestQueriesSelect(t *testing.T) {
	l := openLogs(t, Options{})
	a, b := source("a"), source("b")
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	for i, text := range []string{"one", "two", "three"} {
		line(l, at(10*i), a, "r1", text)
		line(l, at(10*i+5), b, "r2", text)
		if i == 1 {
			flush(t, l) // some are stored, some in memory
		}
	}
	line(l, at(25), a, "", "no request")
	for _, tt := range []struct {
		name string
		q    Query
		want []string
	}{
		{"all", Query{}, []string{"r1: one", "r2: one", "r1: two", "r2: two", "r1: three", ": no request", "r2: three"}},
		{"from", Query{From: at(15)}, []string{"r2: two", "r1: three", ": no request", "r2: three"}},
		{"from between two milliseconds", Query{From: at(15).Add(1)}, []string{"r1: three", ": no request", "r2: three"}},
		{"to", Query{To: at(15)}, []string{"r1: one", "r2: one", "r1: two"}},
		{"a request", Query{RequestID: "r2"}, []string{"r2: one", "r2: two", "r2: three"}},
		{"a request that isn't there", Query{RequestID: "r9"}, nil},
		{"a stream", Query{Streams: []string{"a"}}, []string{"r1: one", "r1: two", "r1: three", ": no request"}},
		{"the newest", Query{Limit: 3}, []string{"r1: three", ": no request", "r2: three"}},
		{"the newest of a request", Query{Limit: 2, RequestID: "r1"}, []string{"r1: two", "r1: three"}},
		{"the newest before", Query{Limit: 2, To: at(15)}, []string{"r2: one", "r1: two"}},
		{"more than there are", Query{Limit: 100, Streams: []string{"b"}}, []string{"r2: one", "r2: two", "r2: three"}},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, read(t, l, tt.q), tt.want...) })
	}
	want(t, read(t, l, Query{Group: wick.LogGroupID{Name: "another"}}))
}

func TestARestartKeepsWhatWasRecorded(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, FlushEvery: time.Hour})
	line(l, noon, source("a"), "r1", "before")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if err := l.Flush(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("flushing after Close: %v", err)
	}
	if _, err := l.Read(t.Context(), Query{Group: helloGroup}); !errors.Is(err, ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
	line(l, noon, source("a"), "r1", "lost, and said so to the operator")
	next := openLogs(t, Options{Store: store})
	want(t, read(t, next, Query{}), "r1: before")
}

func TestWhatWaitsIsStoredByItself(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, FlushEvery: time.Millisecond})
	line(l, noon, source("a"), "", "text")
	eventually(t, func() bool {
		chunks, err := store.Chunks(t.Context(), wick.LogQuery{Group: helloGroup})
		return err == nil && len(chunks) == 1 && l.pending.Load() == 0
	})
	big := openLogs(t, Options{Store: store, FlushEvery: time.Hour, ChunkBytes: 100})
	line(big, noon, source("b"), "", strings.Repeat("x", 100))
	eventually(t, func() bool {
		chunks, err := store.Chunks(t.Context(), wick.LogQuery{Group: helloGroup, Streams: []string{"b"}})
		return err == nil && len(chunks) == 1
	})
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("it did not happen in a minute")
		}
	}
}

func TestALongLineBecomesSeveralRecords(t *testing.T) {
	l := openLogs(t, Options{})
	text := "x" + strings.Repeat("ü", MaxRecordBytes) // cut in the middle of a letter otherwise
	line(l, noon, source("a"), "r1", text)
	got := read(t, l, Query{})
	if len(got) != 3 {
		t.Fatalf("%d records, want 3", len(got))
	}
	all := ""
	for _, e := range got {
		if len(e.Message) > MaxRecordBytes || !utf8.ValidString(e.Message) || e.RequestID != "r1" {
			t.Errorf("a record of %d bytes, valid %v, of request %q", len(e.Message), utf8.ValidString(e.Message), e.RequestID)
		}
		all += e.Message
	}
	if all != text+"\n" {
		t.Error("the pieces together are not the line")
	}
}

func TestTimestampsOfAStreamDoNotGoBack(t *testing.T) {
	l := openLogs(t, Options{})
	src := source("a")
	line(l, noon.Add(5*time.Millisecond), src, "", "first")
	line(l, noon, src, "", "second")
	got := read(t, l, Query{})
	want(t, got, ": first", ": second")
	if !got[1].Timestamp.Equal(got[0].Timestamp) {
		t.Errorf("times %v, %v", got[0].Timestamp, got[1].Timestamp)
	}
	line(l, noon.Add(-time.Hour), src, "", "after the clock was set back")
	want(t, read(t, l, Query{}), ": after the clock was set back", ": first", ": second")
	flush(t, l)
	want(t, read(t, l, Query{To: noon}), ": after the clock was set back")
	want(t, read(t, l, Query{From: noon, Limit: 2}), ": first", ": second")
}

func TestMoreOverlappingChunksThanAPageAreMerged(t *testing.T) {
	l := openLogs(t, Options{})
	const streams, rounds = scanChunks + 60, 3
	for round := range rounds {
		for i := range streams {
			src := source(fmt.Sprintf("stream-%03d", i))
			// Every chunk begins at the same time, and reaches over all the others.
			line(l, noon, src, "", fmt.Sprintf("%d-%03d a", round, i))
			line(l, noon.Add(time.Duration(i)*time.Millisecond), src, "", fmt.Sprintf("%d-%03d b", round, i))
		}
		flush(t, l)
	}
	got := read(t, l, Query{})
	if len(got) != streams*rounds*2 {
		t.Fatalf("%d records, want %d", len(got), streams*rounds*2)
	}
	seen := map[string]bool{}
	for i, e := range got {
		if i > 0 && e.Timestamp.Before(got[i-1].Timestamp) {
			t.Fatalf("record %d of %v comes after %v", i, e.Timestamp, got[i-1].Timestamp)
		}
		if seen[e.Message] {
			t.Fatalf("%q comes twice", e.Message)
		}
		seen[e.Message] = true
	}
	for _, n := range []int{1, 10, 700} {
		newest := read(t, l, Query{Limit: n})
		if len(newest) != n {
			t.Fatalf("the newest %d are %d", n, len(newest))
		}
		for i, e := range newest {
			if e != got[len(got)-n+i] {
				t.Fatalf("of the newest %d, number %d is %+v, want %+v", n, i, e, got[len(got)-n+i])
			}
		}
	}
	size := len(got[0].Message)
	for _, n := range []int{0, 1, 10, 700} { // a number of bytes takes one record at least
		newest := read(t, l, Query{Limit: len(got), LimitBytes: n*size + 1})
		if len(newest) != max(n, 1) || newest[0] != got[len(got)-max(n, 1)] {
			t.Fatalf("of %d bytes there are %d records", n*size+1, len(newest))
		}
	}
	if all := read(t, l, Query{Limit: len(got) + 1}); !slices.Equal(all, got) {
		t.Fatalf("with a limit above all there are %d, want %d", len(all), len(got))
	}
}

func TestAStreamThatIsDoneLeavesNothingInMemory(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour})
	src := source("a")
	stop := wick.StateChanged{From: wick.InstanceStopping, To: wick.InstanceStopped}
	line(l, noon, src, "", "last words")
	l.Record(noon, src, stop)
	want(t, read(t, l, Query{}), ": last words")
	flush(t, l)
	l.Record(noon, source("never wrote"), stop)
	l.sweep()
	if len(l.groups) != 0 || l.pending.Load() != 0 {
		t.Errorf("%d groups and %d bytes stay", len(l.groups), l.pending.Load())
	}
	want(t, read(t, l, Query{}), ": last words")
	// A stream that writes on is made again.
	line(l, noon.Add(time.Millisecond), src, "", "more")
	want(t, read(t, l, Query{}), ": last words", ": more")
	flush(t, l)
	want(t, read(t, l, Query{}), ": last words", ": more")
}

// gatedStore is a store that can be made to fail or to wait.
type gatedStore struct {
	wick.LogStore
	failing atomic.Bool
	calls   atomic.Int64
	mu      sync.Mutex // held: AppendChunks waits
}

var errGate = errors.New("the gate is shut")

func (s *gatedStore) AppendChunks(ctx context.Context, chunks []wick.LogChunk) error {
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing.Load() {
		return errGate
	}
	return s.LogStore.AppendChunks(ctx, chunks)
}

func TestAStoreThatFailsForAWhileLosesNothing(t *testing.T) {
	store := &gatedStore{LogStore: openStore(t)}
	l := openLogs(t, Options{Store: store, FlushEvery: time.Millisecond, ChunkBytes: 200, MaxRetryDelay: 5 * time.Millisecond})
	src := source("a")
	store.failing.Store(true)
	var expected []string
	for i := range 100 {
		text := fmt.Sprintf("line %03d", i)
		expected = append(expected, "r: "+text)
		line(l, noon.Add(time.Duration(i)*time.Millisecond), src, "r", text)
	}
	if err := l.Flush(t.Context()); !errors.Is(err, errGate) {
		t.Errorf("flushing into a failing store: %v", err)
	}
	want(t, read(t, l, Query{}), expected...)
	calls := store.calls.Load()
	eventually(t, func() bool { return store.calls.Load() > calls+2 }) // it tries by itself
	store.failing.Store(false)
	flush(t, l)
	if l.pending.Load() != 0 {
		t.Errorf("%d bytes are still pending", l.pending.Load())
	}
	want(t, read(t, l, Query{}), expected...)
}

func TestWhatDoesNotFitIsCountedAndTold(t *testing.T) {
	store := &gatedStore{LogStore: openStore(t)}
	l := openLogs(t, Options{Store: store, FlushEvery: time.Hour, MaxPending: 20_000, ChunkBytes: 1000})
	a, b := source("a"), source("b")
	store.mu.Lock()
	const lines = 300
	text := strings.Repeat("x", 99)
	for range lines {
		line(l, noon, a, "r", text)
	}
	// One stream takes half of the room: there is some for the others.
	line(l, noon, b, "r", "quiet neighbour")
	store.mu.Unlock()
	flush(t, l)
	line(l, noon, a, "r", "after")
	// How often there was room again in between depends on the writer; the sum doesn't.
	got := read(t, l, Query{Streams: []string{"a"}})
	kept, dropped := 0, 0
	for _, r := range got[:len(got)-1] {
		if r.Message == text+"\n" {
			kept++
			continue
		}
		var records, bytes int
		told := "LOGS_DROPPED\tRecords: %d\tBytes: %d\tReason: " + droppedReason + "\n"
		if _, err := fmt.Sscanf(r.Message, told, &records, &bytes); err != nil || bytes != records*100 {
			t.Errorf("a record is %q (%v)", r.Message, err)
		}
		dropped += records
	}
	if kept == 0 || dropped == 0 || kept+dropped != lines {
		t.Errorf("%d lines were kept and %d told to be dropped, of %d", kept, dropped, lines)
	}
	if last := got[len(got)-1].Message; last != "after\n" {
		t.Errorf("at the end %q", last)
	}
	want(t, read(t, l, Query{Streams: []string{"b"}}), "r: quiet neighbour")
}

func TestRecordNeverWaitsForTheStore(t *testing.T) {
	store := &gatedStore{LogStore: openStore(t)}
	l := openLogs(t, Options{Store: store, FlushEvery: time.Millisecond, ChunkBytes: 10, MaxPending: 1000})
	store.mu.Lock() // if Record waited, this would never end
	for range 1000 {
		line(l, noon, source("a"), "", "0123456789")
	}
	store.mu.Unlock()
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	store := &gatedStore{LogStore: openStore(t)}
	store.failing.Store(true)
	l, err := Open(Options{Store: store, Log: slog.New(slog.DiscardHandler), FlushEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	line(l, noon, source("a"), "", "one")
	line(l, noon, source("a"), "", "two")
	if err := l.Close(); !errors.Is(err, errGate) || !strings.Contains(err.Error(), "2 log records are lost") {
		t.Errorf("closing: %v", err)
	}
}

func TestReadersSeeEveryRecordOnceWhileOthersWrite(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Millisecond, ChunkBytes: 300})
	const writers, each = 4, 400
	begun := make(chan struct{}) // closed after the first read, in the midst of writing
	var wg sync.WaitGroup
	for i := range writers {
		src := source(fmt.Sprint("stream-", i))
		wg.Go(func() {
			for j := range each {
				if j == each/2 {
					<-begun
				}
				line(l, time.Now(), src, fmt.Sprint("r", j/10), fmt.Sprint(j))
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	for reads := 0; ; reads++ {
		var last bool
		select {
		case <-finished:
			last = true
		default:
		}
		next, first := map[string]int{}, map[string]int64{}
		for _, e := range read(t, l, Query{}) {
			if next[e.Stream] == 0 {
				first[e.Stream] = e.Seq
			}
			if e.Message != fmt.Sprintln(next[e.Stream]) || e.Seq != first[e.Stream]+int64(next[e.Stream]) || e.RequestID != fmt.Sprint("r", next[e.Stream]/10) {
				t.Fatalf("read %d: %s has %q (number %d) where %d should be", reads, e.Stream, e.Message, e.Seq, next[e.Stream])
			}
			next[e.Stream]++
		}
		if last {
			for stream, n := range next {
				if n != each {
					t.Errorf("%s has %d records at the end, want %d", stream, n, each)
				}
			}
			if len(next) != writers {
				t.Errorf("%d streams", len(next))
			}
			return
		}
		if reads == 0 {
			close(begun)
		}
	}
}
