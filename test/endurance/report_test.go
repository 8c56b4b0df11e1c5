package endurance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// report is what a run found.
type report struct {
	moments  []string
	censuses []census
	rounds   []string
	most     census // the largest counts while instances worked
	idle     map[string]memory
}

func (r *report) add(moment string, c census) {
	r.moments, r.censuses = append(r.moments, moment), append(r.censuses, c)
}

func (r *report) last() census { return r.censuses[len(r.censuses)-1] }

// addRound notes a round: what there was while its instances worked, how it went, and
// what they used when they were idle, if that was measured.
func (r *report) addRound(name string, working census, text string, idle map[string]memory) {
	if r.most == nil {
		r.most = census{}
	}
	for what, n := range working {
		r.most[what] = max(r.most[what], n)
	}
	r.rounds = append(r.rounds, text)
	if idle != nil {
		r.idle = idle
	}
}

func (r *report) print(t *testing.T) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s", "")
	for _, moment := range r.moments {
		fmt.Fprintf(&b, "%9s", moment)
	}
	fmt.Fprintf(&b, "%9s\n", "most")
	for _, what := range append(slices.Clone(exact), threads, database) {
		fmt.Fprintf(&b, "%-34s", what)
		for _, c := range append(slices.Clone(r.censuses), r.most) {
			fmt.Fprintf(&b, "%9d", c[what])
		}
		b.WriteByte('\n')
	}
	for _, round := range r.rounds {
		fmt.Fprintln(&b, round)
	}
	for _, name := range slices.Sorted(maps.Keys(r.idle)) {
		m := r.idle[name]
		fmt.Fprintf(&b, "memory of %-10s %6.2f MB resident, %6.2f MB of its own\n", name, float64(m.rss)/1e6, float64(m.private)/1e6)
	}
	t.Logf("\n%s", &b)
}
