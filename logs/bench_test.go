package logs

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

const benchText = "2026-11-24T20:15:03.045Z\t6f747a5d-1c2b-4d3e-8f90-0123456789ab\tINFO\tprocessed order 4711 in 12 ms"

// BenchmarkRecord measures what a line costs the invocation that prints it, with a
// real store behind.
func BenchmarkRecord(b *testing.B) {
	for _, streams := range []int{1, 1000} {
		b.Run(fmt.Sprint(streams, "-streams"), func(b *testing.B) {
			l := openLogs(b, Options{})
			sources := make([]*wick.Source, streams)
			for i := range sources {
				sources[i] = source(fmt.Sprintf("2026/11/24/[$LATEST]%032x", i))
			}
			var e wick.Event = wick.LogLine{RequestID: "6f747a5d-1c2b-4d3e-8f90-0123456789ab", Text: benchText}
			now := time.Now()
			b.ReportAllocs()
			b.SetBytes(int64(len(benchText)))
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(n.Add(1)) * 7919
				for pb.Next() {
					i++
					l.Record(now, sources[i%streams], e)
				}
			})
		})
	}
}

// BenchmarkInvocation measures all the records of a short invocation.
func BenchmarkInvocation(b *testing.B) {
	l := openLogs(b, Options{})
	src := source("stream")
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("6f747a5d-1c2b-4d3e-8f90-%012x", i)
		l.Record(now, src, wick.InvokeStart{RequestID: id, Version: wick.Latest})
		l.Record(now, src, wick.LogLine{RequestID: id, Text: benchText})
		l.Record(now, src, wick.Report{RequestID: id, Status: wick.StatusSuccess, Duration: time.Millisecond, Billed: time.Millisecond, MemoryMB: 128, MaxMemoryMB: 30})
	}
}

// BenchmarkStored measures records from Record to stable storage, none dropped.
func BenchmarkStored(b *testing.B) {
	l := openLogs(b, Options{MaxPending: 1 << 40})
	src := source("stream")
	now := time.Now()
	b.SetBytes(int64(len(benchText)))
	for i := 0; b.Loop(); i++ {
		l.Record(now, src, wick.LogLine{RequestID: "6f747a5d-1c2b-4d3e-8f90-0123456789ab", Text: benchText})
		if i%100_000 == 99_999 {
			flush(b, l)
		}
	}
	flush(b, l)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRead measures reading stored records back.
func BenchmarkRead(b *testing.B) {
	l := openLogs(b, Options{})
	const records = 20_000
	for i := range records {
		line(l, noon.Add(time.Duration(i)*time.Millisecond), source(fmt.Sprint("stream-", i%10)), "r", benchText)
	}
	flush(b, l)
	for b.Loop() {
		if got := read(b, l, Query{}); len(got) != records {
			b.Fatal(len(got))
		}
	}
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
}

// TestAnIdleStreamTakesLittleMemory guards what a thousand waiting instances cost.
func TestAnIdleStreamTakesLittleMemory(t *testing.T) {
	l := openLogs(t, Options{FlushEvery: time.Hour})
	const streams = 2000
	sources := make([]*wick.Source, streams)
	for i := range sources {
		sources[i] = source(fmt.Sprintf("2026/11/24/[$LATEST]%032x", i))
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // the second empties pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for _, src := range sources {
		for range 20 {
			line(l, noon, src, "6f747a5d-1c2b-4d3e-8f90-0123456789ab", benchText)
		}
	}
	flush(t, l)
	each := (heap() - before) / streams
	t.Logf("%d bytes a stream", each)
	if each > 1024 {
		t.Errorf("an idle stream takes %d bytes", each)
	}
	if n := len(l.groups[helloGroup].streams); n != streams {
		t.Errorf("%d streams", n)
	}
	runtime.KeepAlive(sources)
}
