package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

// open returns a new store in a folder of its own.
func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "wick.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func TestFunctionStoreContract(t *testing.T) {
	storetest.FunctionStore(t, func(t *testing.T) wick.FunctionStore { return open(t) })
}

func TestLayerStoreContract(t *testing.T) {
	storetest.LayerStore(t, func(t *testing.T) storetest.Layers { return open(t) })
}

func TestLogStoreContract(t *testing.T) {
	storetest.LogStore(t, func(t *testing.T) wick.LogStore { return open(t) })
}

func TestSamplingRuleStoreContract(t *testing.T) {
	storetest.SamplingRuleStore(t, func(t *testing.T) wick.SamplingRuleStore { return open(t) })
}

func TestTraceStoreContract(t *testing.T) {
	storetest.TraceStore(t, func(t *testing.T) wick.TraceStore { return open(t) })
}

func TestLogGroupStoreContract(t *testing.T) {
	storetest.LogGroupStore(t, func(t *testing.T) storetest.LogGroups { return open(t) })
}

func TestMetricStoreContract(t *testing.T) {
	storetest.MetricStore(t, func(t *testing.T) wick.MetricStore { return open(t) })
}
