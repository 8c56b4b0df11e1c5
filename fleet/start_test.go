package fleet_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/fleet"
	"github.com/wick-run/wick/instance"
)

// held is code that starts wait for, from the one after so many on, until it is let go.
type held struct {
	folder
	after   int64
	asked   atomic.Int64
	waiting atomic.Int64 // starts that do now
	let     chan struct{}
}

func (h *held) Acquire(ctx context.Context, sha string) (string, func(), error) {
	if h.asked.Add(1) > h.after {
		h.waiting.Add(1)
		defer h.waiting.Add(-1)
		select {
		case <-h.let:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
	return h.folder.Acquire(ctx, sha)
}

// openHeld opens a fleet whose starts wait, but for the first few.
func openHeld(t *testing.T, o fleet.Options, after int64) (*theatre, *held) {
	t.Helper()
	h := &held{after: after, let: make(chan struct{})}
	return openOn(t, o, func(f folder) instance.Code { h.folder = f; return h }), h
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to: ", what)
		}
	}
}

// An event takes whichever is ready first: here the instance that another event leaves,
// while the one that was started for it takes long.
func TestAnEventTakesAFreedInstanceWhileANewOneStarts(t *testing.T) {
	th, code := openHeld(t, fleet.Options{}, 1)
	f := th.function("f", "one")
	first := th.send(f, "first")
	<-th.gate.arrived
	second := th.send(f, "quick-second")
	eventually(t, "an instance for the second event is starting", func() bool { return code.waiting.Load() == 1 })
	th.gate.let("first")
	was := (<-first).process(t)
	if is := (<-second).process(t); is != was {
		t.Errorf("the second event was served by %s, not by %s, which the first had left", is, was)
	}
	if s := th.Stats(); s.Starting != 1 || s.Waiting != 0 {
		t.Errorf("%d instances are starting, %d events wait", s.Starting, s.Waiting)
	}
	close(code.let)
	th.settled(t, 2) // the new one is there for what comes
}

func TestOnlySoManyInstancesStartAtATime(t *testing.T) {
	const most, events = 3, 5
	th, code := openHeld(t, fleet.Options{MaxStarting: most, QueueWait: patience}, 0)
	var running []<-chan result
	for n := range events {
		for _, name := range []string{"f", "g"} {
			running = append(running, th.send(th.function(name, name), fmt.Sprint("quick-", name, n)))
		}
	}
	eventually(t, "as many start as may, and all events wait", func() bool {
		return code.waiting.Load() == most && th.Stats().Waiting == 2*events
	})
	if s := th.Stats(); s.Starting != most {
		t.Errorf("%d are starting", s.Starting)
	}
	if asked := code.asked.Load(); asked != most {
		t.Errorf("%d starts have begun", asked)
	}
	close(code.let)
	for _, r := range running {
		if got := <-r; got.err != nil {
			t.Error(got.err)
		}
	}
}

// What instances are booted ahead for is known in the order of its last use.
func TestTheKindUsedLastComesFirst(t *testing.T) {
	th := open(t, fleet.Options{MaxStems: 1})
	kinds := []*wick.Function{th.function("a", "one"), th.function("b", "one"), th.function("c", "one")}
	for n, f := range kinds {
		f.EphemeralMB = 512 + n // which makes a kind of its own
	}
	order := func() string {
		var names string
		for _, f := range th.Kinds() {
			names += f.Name
		}
		return names
	}
	th.Anticipate(kinds...)
	if got := order(); got != "abc" {
		t.Errorf("anticipated in the order abc, they are %s", got)
	}
	eventually(t, "each kind has an instance ahead", func() bool { return len(th.Ahead()) == len(kinds) })
	if r := <-th.send(kinds[2], "quick"); r.err != nil {
		t.Fatal(r.err)
	}
	if got := order(); got != "cab" {
		t.Errorf("after one of c they are %s", got)
	}
}
