package logs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestPutIsStoredWhenItReturns(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, FlushEvery: time.Hour})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				if err := l.Put(t.Context(), testGroup, fmt.Sprint("s", i%3), []NewRecord{{noon.Add(time.Duration(j) * time.Second), fmt.Sprint(i, j)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stored, err := store.Chunks(t.Context(), wick.LogQuery{Group: testGroup})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range stored {
		n += c.Records
	}
	if n != 160 {
		t.Errorf("%d records are stored, want 160", n)
	}
	if got := read(t, l, Query{Group: testGroup}); len(got) != 160 {
		t.Errorf("%d records are read, want 160", len(got))
	}
}

func TestPutKeepsTimestampsAndAFollowerSeesEachRecordOnce(t *testing.T) {
	l := openLogs(t, Options{})
	put := func(ms ...int) {
		t.Helper()
		for _, m := range ms {
			if err := l.Put(t.Context(), testGroup, "s", []NewRecord{{noon.Add(time.Duration(m) * time.Millisecond), fmt.Sprint(m)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(5000, 1000, 7_200_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []string
	err := l.Follow(ctx, Query{Group: testGroup}, func(some []wick.LogEvent) error {
		for i := range some {
			seen = append(seen, some[i].Message)
		}
		switch len(seen) {
		case 3:
			put(2000, 0) // earlier than what is there
		case 5:
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || fmt.Sprint(seen) != "[1000 5000 7200000 2000 0]" {
		t.Errorf("followed %v: %v", seen, err)
	}
	var list []string
	for _, e := range read(t, l, Query{Group: testGroup}) {
		list = append(list, e.Message)
	}
	if fmt.Sprint(list) != "[0 1000 2000 5000 7200000]" {
		t.Errorf("read %v", list)
	}
}

func TestPositionsDivideAGroup(t *testing.T) {
	l := openLogs(t, Options{})
	for _, stream := range []string{"a", "b"} {
		for range 3 { // of the same time
			if err := l.Put(t.Context(), testGroup, stream, []NewRecord{{noon, "x"}, {noon.Add(time.Millisecond), "y"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := read(t, l, Query{Group: testGroup})
	if len(all) != 12 {
		t.Fatalf("%d records", len(all))
	}
	for i := range all {
		at := PositionOf(&all[i])
		before, after := read(t, l, Query{Group: testGroup, Before: &at}), read(t, l, Query{Group: testGroup, After: &at})
		if len(before) != i || len(after) != len(all)-1-i {
			t.Errorf("record %d: %d before it, %d after it", i, len(before), len(after))
		}
		if last := read(t, l, Query{Group: testGroup, Before: &at, Limit: 1}); i > 0 && (len(last) != 1 || last[0] != all[i-1]) {
			t.Errorf("record %d: the last before it is %v", i, last)
		}
	}
}

func TestPutFailsWhenTheStoreDoesAndWhenThereIsNoRoom(t *testing.T) {
	store := &gatedStore{LogStore: openStore(t)}
	store.failing.Store(true)
	l := openLogs(t, Options{Store: store, MaxPending: 1000})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Put(ctx, testGroup, "s", []NewRecord{{noon, "x"}}); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("while the store fails: %v", err)
	}
	if err := l.Put(t.Context(), testGroup, "s", []NewRecord{{noon, string(make([]byte, 2000))}}); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("without room: %v", err)
	}
	store.failing.Store(false)
	flush(t, l)
	if got := read(t, l, Query{Group: testGroup}); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), testGroup, "s", []NewRecord{{noon, "x"}}); wick.KindOf(err) != wick.Unavailable {
		t.Errorf("after Close: %v", err)
	}
}

func TestADeletedGroupIsGoneAtOnce(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, Groups: store, FlushEvery: time.Millisecond})
	if err := l.Put(t.Context(), testGroup, "s", []NewRecord{{noon, "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteGroup(t.Context(), testGroup); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, Query{Group: testGroup}); len(got) != 0 {
		t.Errorf("%d records of a deleted group", len(got))
	}
	if err := l.DeleteGroup(t.Context(), testGroup); wick.KindOf(err) != wick.NotFound {
		t.Errorf("deleting it twice: %v", err)
	}
}

// undeletable refuses to delete.
type undeletable struct{ wick.LogGroupStore }

func (undeletable) DeleteLogGroup(context.Context, wick.LogGroupID) error {
	return errors.New("no space")
}

func (undeletable) DeleteLogStream(context.Context, wick.LogGroupID, string) error {
	return errors.New("no space")
}

func TestWhatCantBeDeletedIsKept(t *testing.T) {
	store := openStore(t)
	l := openLogs(t, Options{Store: store, Groups: undeletable{store}, FlushEvery: time.Hour})
	line(l, noon, source("s"), "", "in memory")
	if l.DeleteGroup(t.Context(), helloGroup) == nil || l.DeleteStream(t.Context(), helloGroup, "s") == nil {
		t.Error("a deletion that failed is no error")
	}
	want(t, read(t, l, Query{}), ": in memory")
}

// sweepSpy hands over how much each sweep found.
type sweepSpy struct {
	wick.LogGroupStore
	found chan int
}

func (s *sweepSpy) SweepLogs(ctx context.Context, now time.Time, limit int) (int, error) {
	n, err := s.LogGroupStore.SweepLogs(ctx, now, limit)
	if n > 0 {
		s.found <- n
	}
	return n, err
}

func TestTheTextOfADeletedGroupIsSweptInTheBackground(t *testing.T) {
	store := openStore(t)
	spy := &sweepSpy{store, make(chan int, 10)}
	l := openLogs(t, Options{Store: store, Groups: spy, FlushEvery: time.Millisecond})
	for range 3 {
		if err := l.Put(t.Context(), testGroup, "s", []NewRecord{{noon, "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.DeleteGroup(t.Context(), testGroup); err != nil {
		t.Fatal(err)
	}
	if n := <-spy.found; n != 3 {
		t.Errorf("%d chunks were swept, want 3", n)
	}
}

var testGroup = wick.LogGroupID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: "put"}
