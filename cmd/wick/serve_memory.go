package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A server that has just started a thousand instances keeps as much memory again as it
// needs for them: Go collects when the heap has doubled, and an idle one doesn't grow.

const (
	// thriftPause is how often a server looks at its memory: that takes microseconds.
	thriftPause = 5 * time.Second
	// thriftQuiet is what an idle server may allocate in the meantime.
	thriftQuiet = 2 << 20
	// thriftWorth is what must have been taken since memory was last given back.
	thriftWorth = 16 << 20
)

// giveBackMemory has memory that isn't needed given back to the machine when the server
// has become idle, until it is closed.
func (s *server) giveBackMemory() {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(thriftPause)
		defer t.Stop()
		of := thrift{last: readHeap()}
		of.least = of.last.kept
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				if of.worthwhile(readHeap()) {
					debug.FreeOSMemory()
					of.least = readHeap().kept
				}
			}
		}
	}()
	s.opened(func() error { close(stop); return wait(done) })
}

// heap is what Go's runtime has of memory, in bytes.
type heap struct {
	allocated uint64 // ever
	kept      uint64 // by the process, needed or not
}

// thrift decides when to give back.
type thrift struct {
	last  heap
	least uint64 // kept after memory was given back, or since
}

// worthwhile takes a reading and says whether little has happened since the last one and
// much has been taken before.
func (t *thrift) worthwhile(now heap) bool {
	quiet := now.allocated-t.last.allocated < thriftQuiet
	t.last = now
	t.least = min(t.least, now.kept)
	return quiet && now.kept >= t.least+thriftWorth
}

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(samples)
	var h heap
	for n, s := range samples {
		switch {
		case s.Value.Kind() != metrics.KindUint64: // a name of another version of Go
		case n == 0:
			h.allocated = s.Value.Uint64()
		default:
			h.kept += s.Value.Uint64()
		}
	}
	return h
}
