package traces

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// put makes a rule for functions by their names.
func (t *Traces) putTestRule(ctx context.Context, name string, priority, reservoir int, rate float64, service string) error {
	_, err := t.PutRule(ctx, account, region, name, func(*wick.SamplingRule) (wick.SamplingRule, error) {
		return wick.SamplingRule{
			Priority: priority, ReservoirSize: reservoir, FixedRate: rate,
			ServiceName: service, ServiceType: "*", Host: "*", HTTPMethod: "*", URLPath: "*", ResourceARN: "*",
		}, nil
	})
	return err
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	store := openStore(t)
	tr := openTraces(t, Options{Store: store, Rules: store, Random: func() float64 { return 0.3 }})
	for _, r := range []struct {
		name      string
		priority  int
		reservoir int
		rate      float64
		service   string
	}{{"never", 5, 0, 0, "quiet-*"}, {"later", 9, 5, 1, "*"}, {"two", 5, 2, 0, "h?llo"}} {
		if err := tr.putTestRule(t.Context(), r.name, r.priority, r.reservoir, r.rate, r.service); err != nil {
			t.Fatal(err)
		}
	}
	function := func(name string) *wick.Function {
		return &wick.Function{FunctionID: wick.FunctionID{Account: account, Region: region, Name: name}}
	}
	elsewhere := &wick.Function{FunctionID: wick.FunctionID{Account: account, Region: "eu-west-1", Name: "hello"}}
	sampled := func(tr *Traces, f *wick.Function, n int) (count int) {
		for range n {
			if tr.Sample(f, noon) {
				count++
			}
		}
		return count
	}
	for _, c := range []struct {
		f    *wick.Function
		want int
	}{{function("quiet-one"), 0}, {function("hello"), 2}, {function("HALLO"), 0}, {function("other"), 10}, {elsewhere, 1}} {
		if got := sampled(tr, c.f, 10); got != c.want {
			t.Errorf("of 10 events of %s in %s %d were sampled, want %d", c.f.Name, c.f.Region, got, c.want)
		}
	}
	counted := fmt.Sprint(tr.SamplingStatistics(account, region))
	minute := noon.Truncate(time.Minute)
	if want := fmt.Sprint([]SamplingStatistics{{"never", minute, 10, 0, 0}, {"two", minute, 20, 2, 2}, {"later", minute, 10, 10, 5}}); counted != want {
		t.Errorf("counted %s, want %s", counted, want)
	}
	if _, err := tr.DeleteRule(t.Context(), account, region, "never"); err != nil {
		t.Fatal(err)
	}
	if got := sampled(tr, function("quiet-one"), 10); got != 10 {
		t.Errorf("without its rule %d of 10 were sampled", got)
	}
	again := openTraces(t, Options{Store: store, Rules: store, Random: func() float64 { return 0.3 }})
	if got := sampled(again, function("hello"), 10); got != 2 {
		t.Errorf("after a restart %d of 10 were sampled, want 2", got)
	}
}

func TestARegionHasSoManyRulesAndNoMore(t *testing.T) {
	tr := openTraces(t, Options{})
	for i := range MaxRules {
		if err := tr.putTestRule(t.Context(), fmt.Sprint("r", i), 1, 1, 1, "*"); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.putTestRule(t.Context(), "one more", 1, 1, 1, "*"); wick.KindOf(err) != wick.TooManyRequests {
		t.Errorf("one more: %v", err)
	}
	if err := tr.putTestRule(t.Context(), "r0", 2, 1, 1, "*"); err != nil {
		t.Errorf("a change of one of them: %v", err)
	}
	if _, err := tr.DeleteRule(t.Context(), account, region, DefaultRule); wick.KindOf(err) != wick.NotFound {
		t.Errorf("deleting the default: %v", err)
	}
}

func TestClientsShareAReservoir(t *testing.T) {
	now := noon
	tr := openTraces(t, Options{Now: func() time.Time { return now }})
	if err := tr.putTestRule(t.Context(), "r", 1, 5, 0.5, "*"); err != nil {
		t.Fatal(err)
	}
	quotas := func(clients ...string) string {
		var list []int
		for range 2 { // the first time the others aren't known yet
			list = list[:0]
			for _, c := range clients {
				_, quota, ok := tr.Target(account, region, "r", c, SamplingStatistics{})
				if !ok {
					t.Fatal("there is no rule")
				}
				list = append(list, quota)
			}
		}
		return fmt.Sprint(list)
	}
	if got := quotas("a"); got != "[5]" {
		t.Errorf("alone: %s", got)
	}
	if got := quotas("a", "b", "c"); got != "[2 2 1]" {
		t.Errorf("three: %s", got)
	}
	now = now.Add(clientFor + time.Second)
	if got := quotas("c"); got != "[5]" {
		t.Errorf("when the others are gone: %s", got)
	}
	if _, _, ok := tr.Target(account, region, "none", "a", SamplingStatistics{}); ok {
		t.Error("there is a rule named none")
	}
}

func TestReservoirsDontGrowWithTheFunctions(t *testing.T) {
	tr := openTraces(t, Options{Random: func() float64 { return 1 }})
	for i := range 3 * maxReservoirs {
		f := &wick.Function{FunctionID: wick.FunctionID{Account: account, Region: region, Name: fmt.Sprint("f", i)}}
		if at := noon.Add(time.Duration(i/maxReservoirs) * time.Second); !tr.Sample(f, at) {
			t.Fatalf("the first event of function %d wasn't sampled", i)
		}
	}
	if n := len(tr.sampler.reservoirs); n > maxReservoirs {
		t.Errorf("there are %d reservoirs", n)
	}
}

func TestPatternsOfRules(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a", "A", true}, {"a*", "a", true}, {"*a", "ba", true}, {"*a", "ab", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"*b*", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXcYb", false},
		{"*ab", "aab", true}, {"a**", "abc", true}, {"?", "", false}, {"/2015-*/invocations", "/2015-03-31/functions/f/invocations", true},
	} {
		if got := matchWildcard(c.pattern, c.text); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.text, got)
		}
	}
}

func FuzzAPatternIsMatched(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if matchWildcard(pattern, text) && !matchWildcard("*"+pattern+"*", text) {
			t.Errorf("%q matches %q, and with stars around it doesn't", pattern, text)
		}
	})
}
