package sqlstore

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

// BenchmarkDurableInserts measures functions created and on stable storage a second.
func BenchmarkDurableInserts(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(callers, "-callers"), func(b *testing.B) {
			s := open(b)
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for {
						i := n.Add(1)
						if i > int64(b.N) {
							return
						}
						if err := s.CreateFunction(b.Context(), storetest.NewFunction(fmt.Sprint("f", i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "inserts/s")
		})
	}
}

// BenchmarkAppendChunks measures log chunks stored in batches of 64.
func BenchmarkAppendChunks(b *testing.B) {
	s := open(b)
	chunks := make([]wick.LogChunk, 64)
	for i := range chunks {
		chunks[i] = wick.LogChunk{
			Group: wick.LogGroupID{Name: fmt.Sprint("group-", i%8)}, Stream: fmt.Sprint("stream-", i),
			RequestIDs: []string{fmt.Sprint("a", i), fmt.Sprint("b", i)}, Data: make([]byte, 2000),
		}
	}
	for b.Loop() {
		now := time.Now()
		for i := range chunks {
			chunks[i].First, chunks[i].Last = now, now
		}
		if err := s.AppendChunks(b.Context(), chunks); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(chunks))/b.Elapsed().Seconds(), "chunks/s")
}

// BenchmarkFunction measures the look-up that every invocation makes.
func BenchmarkFunction(b *testing.B) {
	s := open(b)
	f := storetest.NewFunction("hot")
	if err := s.CreateFunction(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Function(b.Context(), f.FunctionID, wick.Latest); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures opening and closing a database with 1,000 functions.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "wick.db")
	s, err := Open(b.Context(), path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			if err := s.CreateFunction(b.Context(), storetest.NewFunction(fmt.Sprint("f", i))); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var opening time.Duration
	for b.Loop() {
		before := time.Now()
		s, err := Open(b.Context(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		opening += time.Since(before)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opening.Microseconds())/float64(b.N)/1000, "ms/open")
}
