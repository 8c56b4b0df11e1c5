//go:build linux

package disk

import (
	"context"
	"testing"
)

func BenchmarkTakeReady(b *testing.B) { benchmarkTake(b, AheadMB) }
func BenchmarkTakeMade(b *testing.B)  { benchmarkTake(b, 600) }

func benchmarkTake(b *testing.B, sizeMB int) {
	p, err := Open(Options{ID: "bench", Dir: b.TempDir(), Ahead: 8})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	if gaps := p.Gaps(); len(gaps) > 0 {
		b.Skip(gaps)
	}
	for b.Loop() {
		b.StopTimer()
		if sizeMB == AheadMB {
			waitReady(b, p)
		}
		b.StartTimer()
		d, err := p.Take(context.Background(), sizeMB, 993, 990)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := d.Release(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// waitReady waits for the pool to have disks made ahead.
func waitReady(tb testing.TB, p *Pool) {
	tb.Helper()
	for {
		p.mu.Lock()
		n := len(p.ready)
		p.mu.Unlock()
		if n >= p.ahead {
			return
		}
		pause(tb.Context(), 1e6)
	}
}
