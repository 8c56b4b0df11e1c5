package fleet

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestTheCPUTimeOfAMachineIsRead(t *testing.T) {
	for _, c := range []struct {
		text        string
		idle, total int64
		ok          bool
	}{
		{"cpu  10 1 5 100 4 0 2 1 7 3\ncpu0 1 1 1 1\n", 104, 123, true},
		{"cpu 10 1 5 100 4\n", 104, 120, true},
		{"cpu 10 1 5\n", 0, 0, false},
		{"cpu0 10 1 5 100 4 0 2\n", 0, 0, false},
		{"cpu 10 1 5 x 4 0 2\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		idle, total, ok := parseStat([]byte(c.text))
		if idle != c.idle || total != c.total || ok != c.ok {
			t.Errorf("%q: %d, %d, %t", c.text, idle, total, ok)
		}
	}
}

func FuzzTheCPUTimeOfAMachine(f *testing.F) {
	f.Add([]byte("cpu  10 1 5 100 4 0 2 1 7 3\ncpu0 1 1 1 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if idle, _, ok := parseStat(text); !ok && idle != 0 {
			t.Errorf("%q: %d of what can't be read", text, idle)
		}
	})
}

// A pool is sated by what its instances lack, not by how many they are, and until that
// was not so for a while.
func TestAFunctionThatLacksOnlyCPUsGetsNoMoreInstances(t *testing.T) {
	f := &Fleet{pools: map[key]*pool{}}
	pools := make([]*pool, 4)
	for n := range pools {
		pools[n] = &pool{key: key{version: string(rune('0' + n))}, members: map[*member]struct{}{}, waiters: []*waiter{{}}, busy: 100}
		f.pools[pools[n].key] = pools[n]
	}
	computes, waits, few, oneComputes := pools[0], pools[1], pools[2], pools[3]
	few.busy = 1
	want := map[*pool]wants{
		computes: wants{}.with(1, 1).with(0.6, 0.6), waits: wants{}.with(0.9, 0.9).with(0.1, 0.1), few: wants{}.with(1, 1),
		oneComputes: wants{}.with(6, 6).with(0, 0).with(0, 0),
	}
	f.sate(want, true)
	if !computes.sated || waits.sated || few.sated || oneComputes.sated {
		t.Errorf("computes %t, waits %t, has one instance %t, one of it computes %t", computes.sated, waits.sated, few.sated, oneComputes.sated)
	}
	if computes.lacks() != 0 || !waits.hungry {
		t.Errorf("one lacks %d; the other stands in line: %t", computes.lacks(), waits.hungry)
	}
	f.sate(nil, true)
	f.sate(want, false)
	if !computes.sated {
		t.Error("it isn't sated when the CPUs are idle for a moment")
	}
	f.sate(want, false)
	if computes.sated || !computes.hungry {
		t.Errorf("it is sated (%t) though the CPUs are idle; it stands in line: %t", computes.sated, computes.hungry)
	}
}

// A function that has its part of the memory takes no instance that another one uses; one
// that has none, or less than its part, may.
func TestABurstDoesNotTakeTheInstancesOfOthersInUse(t *testing.T) {
	const budget, each = 100, 10
	now := time.Now()
	for _, c := range []struct {
		what          string
		others, burst int // instances
		idleFor       time.Duration
		want          bool // the idle one stays
	}{
		{"a burst that has its part", 1, 8, time.Second, true},
		{"a burst that is just at its part", 1, 5, time.Second, true},
		{"one below its part", 1, 3, time.Second, false},
		{"one without an instance", 1, 0, time.Second, false},
		{"one that has its part, and another that has more", 6, 5, time.Second, false},
		{"one that nobody uses", 1, 8, 2 * inUse, false},
	} {
		f := &Fleet{o: Options{MemoryBytes: budget}, pools: map[key]*pool{}}
		pools := map[string]*pool{}
		for name, n := range map[string]int{"other": c.others, "burst": c.burst} {
			p := &pool{key: key{version: name}, members: map[*member]struct{}{}, typical: each}
			for range n {
				p.members[&member{pool: p}] = struct{}{}
			}
			pools[name], f.pools[p.key] = p, p
		}
		idle := &member{pool: pools["other"], idleSince: now.Add(-c.idleFor)}
		pools["other"].idle = []*member{idle}
		if got := f.longestIdle(pools["burst"]) == nil; got != c.want {
			t.Errorf("%s: it stays: %t", c.what, got)
		}
		if f.longestIdle(nil) != idle {
			t.Errorf("%s: over the budget it doesn't go", c.what)
		}
	}
}

func TestTheMachineIsLookedAtOnlyWhileThereIsMoreAtWorkThanCPUs(t *testing.T) {
	f := &Fleet{pools: map[key]*pool{}, burst: make(chan struct{}, 1), crowd: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	f.ctx = ctx
	var watch sync.WaitGroup
	watch.Go(f.keepPressure)
	defer watch.Wait()
	defer cancel()
	resting := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; <-time.After(time.Millisecond) {
			f.mu.Lock()
			is := f.resting
			f.mu.Unlock()
			if is == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("nobody looks: %t", is)
			}
		}
	}
	for range 2 {
		resting(true)
		var all []*member
		f.mu.Lock()
		p := &pool{}
		for range cpus + 1 {
			m := &member{pool: p}
			f.take(m)
			all = append(all, m)
		}
		is := f.resting
		for _, m := range all {
			f.notBusy(m)
		}
		f.mu.Unlock()
		if is {
			t.Fatal("nobody looks though there is more at work than CPUs")
		}
	}
}
