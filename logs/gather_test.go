package logs

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// gathered returns what Gather gives of a query, in order of time; what is taken whole is
// only counted.
func gathered(t *testing.T, l *Logs, q Query, whole func(*Outline) bool) (list []wick.LogEvent, counted int) {
	t.Helper()
	q.Group = helloGroup
	var mu sync.Mutex
	take := whole
	if whole != nil {
		take = func(o *Outline) bool {
			mu.Lock()
			defer mu.Unlock()
			if whole(o) {
				counted += o.Records
				return true
			}
			return false
		}
	}
	err := l.Gather(t.Context(), q, take, func(some []wick.LogEvent) error {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, some...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, byTime)
	return list, counted + len(list)
}

func TestGatherSeesWhatScanSees(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour, ChunkBytes: 400})
	for i := range 300 {
		if i == 200 {
			flush(t, l) // the rest stays in memory
		}
		line(l, noon.Add(time.Duration(i)*time.Second), source(fmt.Sprint("stream-", i%3)), fmt.Sprint("r", i/7), fmt.Sprint("line ", i))
	}
	pattern, err := filter.Parse("%7$%")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }
	for name, q := range map[string]Query{
		"all": {}, "a range": {From: at(33), To: at(240)}, "a range between milliseconds": {From: at(33.0005), To: at(240.0005)}, "a stream": {Streams: []string{"stream-1", "none"}},
		"a request": {RequestID: "r9"}, "a filter": {Filter: pattern}, "nothing": {From: at(1000)},
		"behind a record": {From: at(50), After: &Position{Millis: at(50).UnixMilli(), Stream: "stream-2"}},
	} {
		want := read(t, l, q)
		got, n := gathered(t, l, q, nil)
		if !slices.Equal(got, want) || n != len(want) {
			t.Errorf("%s: %d records, want %d", name, n, len(want))
		}
		taken := 0
		_, n = gathered(t, l, q, func(o *Outline) bool { taken += o.Records; return true })
		if n != len(want) {
			t.Errorf("%s, whole runs taken: %d records, want %d", name, n, len(want))
		}
		if (name == "all" || name == "a range" || name == "a range between milliseconds" || name == "a stream") != (taken > 0) {
			t.Errorf("%s: %d records were taken without their text", name, taken)
		}
	}
}

func TestGatherEndsWithItsReader(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour, ChunkBytes: 100})
	for i := range 500 {
		line(l, noon.Add(time.Duration(i)*time.Second), source("stream"), "r", fmt.Sprint("line ", i))
	}
	flush(t, l)
	enough := errors.New("enough")
	if err := l.Gather(t.Context(), Query{Group: helloGroup}, nil, func([]wick.LogEvent) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestGatherCountsEveryRecordOnceWhileOthersWrite(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Millisecond, ChunkBytes: 300})
	const writers, each = 3, 150
	begun := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		src := source(fmt.Sprint("stream-", i))
		wg.Go(func() {
			for j := range each {
				if j == each/2 {
					<-begun
				}
				line(l, time.Now(), src, "r", fmt.Sprint(j))
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	last := 0
	for reads := 0; ; reads++ {
		over := false
		select {
		case <-finished:
			over = true
		default:
		}
		list, n := gathered(t, l, Query{}, func(o *Outline) bool { return o.Stream != "stream-0" })
		next := 0
		for _, e := range list {
			if e.Stream == "stream-0" {
				if e.Message != fmt.Sprintln(next) {
					t.Fatalf("%q where %d should be", e.Message, next)
				}
				next++
			}
		}
		if n < last || n > writers*each || over && n != writers*each {
			t.Fatalf("%d records after %d, over %v", n, last, over)
		}
		if last = n; over {
			return
		}
		if reads == 0 {
			close(begun)
		}
	}
}
