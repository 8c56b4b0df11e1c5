package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// follower collects what a Follow delivers.
type follower struct {
	mu     sync.Mutex
	events []wick.LogEvent
	ended  chan error
	cancel context.CancelFunc
}

// follow starts a follower; each call of slow delays a delivery.
func follow(t *testing.T, l *Logs, q Query, slow func()) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{ended: make(chan error, 1), cancel: cancel}
	q.Group = helloGroup
	go func() {
		f.ended <- l.Follow(ctx, q, func(some []wick.LogEvent) error {
			if slow != nil {
				slow()
			}
			f.mu.Lock()
			f.events = append(f.events, some...)
			f.mu.Unlock()
			return nil
		})
	}()
	t.Cleanup(cancel)
	return f
}

func (f *follower) seen() []wick.LogEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]wick.LogEvent(nil), f.events...)
}

// stop ends a follower and returns what it got.
func (f *follower) stop(t *testing.T) []wick.LogEvent {
	t.Helper()
	f.cancel()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
	return f.seen()
}

// awaitWatches waits until so many readers stand in the group.
func awaitWatches(t *testing.T, l *Logs, n int) {
	t.Helper()
	eventually(t, func() bool {
		g := l.lockGroup(helloGroup)
		defer g.mu.Unlock()
		return len(g.watches) == n
	})
}

func TestFollowingGoesFromThePastIntoThePresent(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour})
	a, b := source("a"), source("b")
	line(l, noon.Add(-time.Second), a, "r1", "before from")
	line(l, noon, a, "r1", "stored")
	flush(t, l)
	line(l, noon, b, "r2", "in memory")
	all := follow(t, l, Query{From: noon}, nil)
	one := follow(t, l, Query{RequestID: "r2", Limit: 1}, nil)
	eventually(t, func() bool { return len(all.seen()) == 2 && len(one.seen()) == 1 })
	line(l, noon, b, "r2", "live")
	line(l, noon, a, "r1", "another's")
	flush(t, l)
	line(l, noon, a, "r2", "live and later")
	eventually(t, func() bool { return len(all.seen()) == 5 && len(one.seen()) == 3 })
	want(t, all.stop(t), "r1: stored", "r2: in memory", "r2: live", "r1: another's", "r2: live and later")
	want(t, one.stop(t), "r2: in memory", "r2: live", "r2: live and later")
	if g := l.groups[helloGroup]; len(g.watches) != 0 {
		t.Errorf("%d watches stay", len(g.watches))
	}
}

func TestFollowersGetEveryRecordOnceInOrder(t *testing.T) {
	for _, tt := range []struct {
		name     string
		maxBytes int
		slow     func()
	}{
		{"quick", 1 << 20, nil},
		{"too slow for the queue", 200, func() { time.Sleep(time.Millisecond) }}, // slow is what is tested
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := openLogs(t, Options{FlushEvery: time.Millisecond, ChunkBytes: 500, MaxFollowBytes: tt.maxBytes})
			const writers, each, followers = 4, 500, 3
			var wg sync.WaitGroup
			for i := range writers {
				src := source(fmt.Sprint("stream-", i))
				wg.Go(func() {
					for j := range each {
						line(l, time.Now(), src, "r", fmt.Sprint(j))
						if j%100 == 99 {
							flush(t, l)
						}
					}
					l.Record(time.Now(), src, wick.StateChanged{To: wick.InstanceStopped})
				})
			}
			var fs []*follower
			for range followers {
				fs = append(fs, follow(t, l, Query{}, tt.slow))
				flush(t, l)
			}
			wg.Wait()
			for _, f := range fs {
				eventually(t, func() bool { return len(f.seen()) >= writers*each })
				next := map[string]int{}
				for i, e := range f.stop(t) {
					if e.Message != fmt.Sprintln(next[e.Stream]) {
						t.Fatalf("record %d: %s has %q where %d should be", i, e.Stream, e.Message, next[e.Stream])
					}
					next[e.Stream]++
				}
				for stream, n := range next {
					if n != each {
						t.Errorf("%s gave %d records, want %d", stream, n, each)
					}
				}
			}
		})
	}
}

func TestASlowFollowerIsCaughtUpFromMemoryAndStore(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour, MaxFollowBytes: 30})
	src := source("a")
	gate, taken := make(chan struct{}), make(chan struct{}, 100)
	f := follow(t, l, Query{}, func() {
		taken <- struct{}{}
		<-gate
	})
	awaitWatches(t, l, 1)
	line(l, noon, src, "", "0")
	<-taken // the first is with the follower, which waits
	expected := []string{": 0"}
	for i := 1; i < 50; i++ {
		text := fmt.Sprintf("%s %d", strings.Repeat("x", 20), i)
		expected = append(expected, ": "+text)
		line(l, noon.Add(time.Duration(i)*time.Millisecond), src, "", text)
		if i == 25 {
			flush(t, l)
		}
	}
	close(gate)
	eventually(t, func() bool { return len(f.seen()) >= 50 })
	want(t, f.stop(t), expected...)
}

func TestAFollowerDoesNotGrowWithTheStreams(t *testing.T) {
	l := openLogs(t, Options{})
	line(l, noon, source("before"), "", "x")
	f := follow(t, l, Query{Streams: []string{"before"}}, nil)
	eventually(t, func() bool { return len(f.seen()) == 1 })
	line(l, noon, source("before"), "", "y") // when it comes, the past has been read
	eventually(t, func() bool { return len(f.seen()) == 2 })
	for i := range 100 {
		line(l, noon, source(fmt.Sprint("stream-", i)), "", "z")
	}
	l.eachGroup(func(g *group) {
		for w := range g.watches {
			if len(w.first) > 0 {
				t.Errorf("it remembers %d streams", len(w.first))
			}
		}
	})
	f.stop(t)
}

func TestFollowingEndsWithTheLog(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, FlushEvery: time.Hour})
	f := follow(t, l, Query{}, nil)
	awaitWatches(t, l, 1)
	line(l, noon, source("a"), "", "the last")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-f.ended; !errors.Is(err, ErrClosed) {
		t.Errorf("following ended with %v", err)
	}
	want(t, f.seen(), ": the last")

	next := openLogs(t, Options{Store: store})
	next.StopFollowing()
	if err := next.Follow(t.Context(), Query{Group: helloGroup}, func([]wick.LogEvent) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("following after StopFollowing: %v", err)
	}
	line(next, noon.Add(time.Millisecond), source("a"), "", "still recorded")
	want(t, read(t, next, Query{}), ": the last", ": still recorded")
	failed := errors.New("failed")
	if err := next.Follow(t.Context(), Query{Group: helloGroup}, func([]wick.LogEvent) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("an emit that fails ended following with %v", err)
	}
}
