//go:build linux

package network

import (
	"context"
	"testing"
)

// BenchmarkTakeWarm is taking a slot that is ready.
func BenchmarkTakeWarm(b *testing.B) {
	p := open(b, Options{ID: "bwarm", Ahead: 1, Egress: true, Log: quiet})
	for b.Loop() {
		b.StopTimer()
		eventually(b, "a slot is ready", func() bool { return idleSlots(p) > 0 })
		b.StartTimer()
		s := take(b, p, true)
		b.StopTimer()
		p.Release(s)
		b.StartTimer()
	}
}

// BenchmarkTakeCold is taking a slot when none is ready, and none is being cleaned.
func BenchmarkTakeCold(b *testing.B) {
	for name, egress := range map[string]bool{"egress": true, "plain": false} {
		b.Run(name, func(b *testing.B) {
			p := open(b, Options{ID: "bcold", Egress: true, Log: quiet})
			for idleSlots(p) > 0 {
				take(b, p, true)
			}
			for b.Loop() {
				take(b, p, egress)
			}
		})
	}
}

// BenchmarkRelease is what the caller of Release waits for, with a listener to close.
func BenchmarkRelease(b *testing.B) {
	p := open(b, Options{ID: "brel", Ahead: 1, Egress: true, Log: quiet})
	for b.Loop() {
		b.StopTimer()
		s := take(b, p, true)
		if _, err := s.Listen("tcp", "169.254.100.1:9001"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		p.Release(s)
	}
}

// BenchmarkClean is cleaning released slots in the background, for each slot.
func BenchmarkClean(b *testing.B) {
	p := open(b, Options{ID: "bclean", Egress: true, Log: quiet})
	for _, bm := range []struct {
		name    string
		slots   int
		talking bool // each slot has sent something
	}{{"1 quiet", 1, false}, {"1 that sent", 1, true}, {"64 that sent", 64, true}} {
		b.Run(bm.name, func(b *testing.B) {
			var dirty []dirtySpace
			for range bm.slots {
				dirty = append(dirty, dirtySpace{space: take(b, p, true).space})
			}
			for i := 0; b.Loop(); i++ {
				if i%bm.slots != 0 {
					continue
				}
				if bm.talking {
					for _, d := range dirty {
						d.space.sent = ^uint64(0) // another count than it will find
					}
				}
				for _, d := range p.wash(dirty) {
					if d.err != nil {
						b.Fatal(d.err)
					}
				}
			}
		})
	}
}

// BenchmarkListen is making a socket inside a slot.
func BenchmarkListen(b *testing.B) {
	p := open(b, Options{ID: "blisten", Log: quiet})
	s, err := p.Take(context.Background(), false)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ln, err := s.Listen("tcp", "169.254.100.1:9001")
		if err != nil {
			b.Fatal(err)
		}
		ln.Close()
		s.sockets = s.sockets[:0]
	}
}
