package fleet

import (
	"math"
	"testing"
	"time"

	"github.com/wick-run/wick/sandbox"
)

func TestAPartOfTheCPUsIsWhatThoseThatWantLessLeave(t *testing.T) {
	for _, c := range []struct {
		what    string
		demands []float64
		cpus    float64
		want    float64
	}{
		{"nobody", nil, 2, math.Inf(1)},
		{"enough for all", []float64{1, 0.5}, 2, math.Inf(1)},
		{"just enough", []float64{1, 1}, 2, math.Inf(1)},
		{"one wants more than there is", []float64{30}, 2, 2},
		{"one wants little", []float64{30, 0.25}, 2, 1.75},
		{"two want all", []float64{30, 4}, 2, 1},
		{"two want all, two little", []float64{30, 0.25, 4, 0.25}, 2, 0.75},
		{"all want a bit too much", []float64{0.5, 0.5, 0.5, 0.5, 0.5}, 2, 0.4},
	} {
		if got := part(c.demands, c.cpus); got != c.want {
			t.Errorf("%s: %v, not %v", c.what, got, c.want)
		}
	}
}

func TestInstancesOfAGreedyFunctionShareOneWeight(t *testing.T) {
	const all = sandbox.UsualWeight / greedyShrink
	for _, n := range []int{0, 1} {
		if w := weightOf(n); w != all {
			t.Errorf("%d at work: %d", n, w)
		}
	}
	for n := 2; n < 5000; n++ {
		w := weightOf(n)
		if w < sandbox.MinWeight || w > all/2 || n <= all/2 && (w*n > all || w*n <= all/2) {
			t.Fatalf("%d at work have %d each", n, w)
		}
	}
}

// Who wants less than its part comes before those that want more, which have equal parts.
func TestAFunctionThatWantsMoreThanItsPartWeighsLess(t *testing.T) {
	now := time.Now()
	f := &Fleet{pools: map[key]*pool{}}
	add := func(name string, busy int) *pool {
		p := &pool{key: key{version: name}, members: map[*member]struct{}{}, busy: busy}
		f.pools[p.key] = p
		return p
	}
	bursts, another := add("bursts", 5000), add("another", 3000)
	calm, waits, unknown := add("calm", 1), add("waits", 4000), add("unknown", 1)
	want := map[*pool]wants{
		bursts: wants{}.with(1, 1), another: wants{}.with(1, 1), calm: wants{}.with(0.001, 0.001), waits: wants{}.with(0.000001, 0.000001),
	}
	f.weighUp(want, now)
	for p, greedy := range map[*pool]bool{bursts: true, another: true, calm: false, waits: false} {
		if p.greedy != greedy {
			t.Errorf("%s is greedy: %t", p.key.version, p.greedy)
		}
	}
	if unknown.greedy {
		t.Error("one of which nothing is known, with one instance, is greedy")
	}
	if w := calm.weight(); w != sandbox.UsualWeight {
		t.Errorf("one that wants little weighs %d", w)
	}
	if w := waits.startWeight(); w >= sandbox.UsualWeight {
		t.Errorf("a start beside others of its function weighs %d", w)
	}
	// What isn't known any more fades.
	bursts.busy, another.busy = 0, 0
	for range 20 {
		f.weighUp(map[*pool]wants{calm: want[calm]}, now)
	}
	if bursts.greedy || bursts.demand != 0 {
		t.Errorf("a burst that is over wants %v, greedy: %t", bursts.demand, bursts.greedy)
	}
}

// One whose events wait behind another's burst has ever more of them at work, and wants
// ever more of the CPUs. That doesn't make it greedy.
func TestAFunctionThatGetsLessThanItsPartIsNotGreedy(t *testing.T) {
	now := time.Now()
	f := &Fleet{pools: map[key]*pool{}}
	burst := &pool{key: key{version: "burst"}, busy: 16}
	behind := &pool{key: key{version: "behind"}, busy: 3}
	f.pools[burst.key], f.pools[behind.key] = burst, behind
	all := float64(cpus)
	look := func(behindHas float64) {
		f.weighUp(map[*pool]wants{
			burst:  wants{}.with((all-behindHas)/16, 1),
			behind: wants{}.with(behindHas/3, 1),
		}, now)
	}
	behind.guess(now) // on two CPUs it is a burst, too
	look(0.1 * all)
	if !burst.greedy || behind.greedy {
		t.Errorf("the burst is greedy: %t; the one behind it: %t", burst.greedy, behind.greedy)
	}
	look(0.49 * all)
	if !burst.greedy || !behind.greedy {
		t.Errorf("of two that have half of the CPUs each and want more, the one is greedy: %t, the other: %t", burst.greedy, behind.greedy)
	}
	look(0.4 * all) // give or take
	if !behind.greedy {
		t.Error("it is greedy no more for having a little less than its part")
	}
}

func TestABurstOfWhichNothingIsKnownCountsAsGreedyAtOnce(t *testing.T) {
	now := time.Now()
	f := &Fleet{pools: map[key]*pool{}, burst: make(chan struct{}, 1)}
	p := &pool{}
	told := func() bool {
		select {
		case <-f.burst:
			return true
		default:
			return false
		}
	}
	for range cpus {
		f.take(&member{pool: p})
	}
	if p.guess(now); p.greedy || told() {
		t.Errorf("%d instances at work are a burst", p.busy)
	}
	f.take(&member{pool: p})
	if p.guess(now); !p.greedy || !told() {
		t.Errorf("%d instances at work are no burst", p.busy)
	}
	// What was seen a moment ago counts more.
	p.greedy, p.demandAt = false, now
	if p.guess(now); p.greedy {
		t.Error("a guess counts more than what was seen")
	}
	if p.guess(now.Add(2 * demandKept)); !p.greedy {
		t.Error("what was seen long ago counts more than a guess")
	}
}

// The last place to start in isn't for functions that have enough instances.
func TestAFunctionWithoutInstancesHasAPlaceToStartIn(t *testing.T) {
	f := &Fleet{o: Options{MaxStarting: 4, MemoryBytes: 1 << 40}, starting: 3, pools: map[key]*pool{}}
	bursts := &pool{key: key{version: "bursts"}, busy: enoughForCPU()}
	first := &pool{key: key{version: "first"}}
	if f.maxStarting(bursts) != 3 || f.maxStarting(first) != 4 {
		t.Errorf("one with many may start when fewer than %d are starting, one without when fewer than %d",
			f.maxStarting(bursts), f.maxStarting(first))
	}
	f.o.MaxStarting = 1
	if f.maxStarting(bursts) != 1 {
		t.Error("with one place it gets none")
	}
}
