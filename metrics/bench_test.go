package metrics

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/sqlstore"
)

// What storing costs where each of a hundred functions was invoked in the last seconds.
func BenchmarkAFlushOfAHundredFunctions(b *testing.B) {
	store, err := sqlstore.Open(b.Context(), filepath.Join(b.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	m := Open(Options{Store: store, FlushEvery: time.Hour})
	sources := make([]*wick.Source, 100)
	for i := range sources {
		sources[i] = &wick.Source{Function: function(fmt.Sprint("f", i), wick.Latest)}
	}
	at := time.Now()
	for b.Loop() {
		for _, src := range sources {
			for n := range 20 {
				m.invoke(at, src, time.Duration(n*n)*time.Millisecond, wick.StatusSuccess)
			}
		}
		if err := m.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		b.Error(err)
	}
	if err := store.Close(); err != nil {
		b.Error(err)
	}
}
