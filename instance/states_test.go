package instance

import (
	"testing"

	"github.com/wick-run/wick"
)

func TestEveryMoveThatIsNotInTheTableIsRefused(t *testing.T) {
	for from, allowed := range transitions {
		legal := make(map[wick.InstanceState]bool)
		for _, to := range allowed {
			legal[to] = true
		}
		for to := range transitions {
			got, err := move(from, to)
			switch {
			case legal[to] && (err != nil || got != to):
				t.Errorf("%s → %s: %s, %v", from, to, got, err)
			case !legal[to] && (err == nil || got != from):
				t.Errorf("%s → %s was let through", from, to)
			}
		}
	}
}

func TestEveryStateLeadsToStopped(t *testing.T) {
	for s := range transitions {
		for steps := 0; s != wick.InstanceStopped; steps++ {
			if steps > len(transitions) {
				t.Fatalf("no way from %s to stopped", s)
			}
			next := wick.InstanceStopping
			if s == wick.InstanceStopping {
				next = wick.InstanceStopped
			}
			var err error
			if s, err = move(s, next); err != nil {
				t.Fatal(err)
			}
		}
	}
}
