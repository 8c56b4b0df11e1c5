package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// SamplingRuleStore holds a wick.SamplingRuleStore to its contract; open returns an empty one.
func SamplingRuleStore(t *testing.T, open func(*testing.T) wick.SamplingRuleStore) {
	s := open(t)
	rule := func(account, region, name string, priority int) wick.SamplingRule {
		return wick.SamplingRule{
			Account: account, Region: region, Name: name, Priority: priority, FixedRate: 0.25, ReservoirSize: 3, ServiceName: "f*", Host: "*",
			Attributes: map[string]string{"a": "b"}, Created: time.Unix(1, 0).UTC(), Modified: time.Unix(2, 0).UTC(),
		}
	}
	want := []wick.SamplingRule{rule("1", "eu", "a", 1), rule("1", "us", "a", 2), rule("2", "eu", "a", 4)}
	for _, r := range []wick.SamplingRule{want[2], rule("1", "eu", "gone", 9), rule("1", "us", "a", 7), want[0], want[1]} {
		if err := s.PutSamplingRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteSamplingRule(t.Context(), "1", "eu", "gone"); err != nil {
		t.Fatal(err)
	}
	wantErrorOf(t, "deleting a rule twice", s.DeleteSamplingRule(t.Context(), "1", "eu", "gone"), wick.NotFound)
	got, err := s.SamplingRules(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("there are %+v, %v; want %+v", got, err, want)
	}
}
