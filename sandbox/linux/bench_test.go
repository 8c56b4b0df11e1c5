//go:build linux

package linux

import (
	"fmt"
	"testing"

	"github.com/wick-run/wick/sandbox"
)

func benchSpec(i int) sandbox.Spec {
	return sandbox.Spec{
		ID: fmt.Sprintf("bench%d", i), Hostname: "h", TmpMB: 512, Slots: []string{"/var/task", "/opt"},
		Limits: sandbox.Limits{MemoryBytes: 128 << 20, CPUMilli: 1000, Processes: 100},
	}
}

// BenchmarkCreate has the network slot and the disk made ahead.
func BenchmarkCreate(b *testing.B) {
	d := open(b)
	for i := 0; b.Loop(); i++ {
		s, err := d.Create(b.Context(), benchSpec(i))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		refill(b, d)
		b.StartTimer()
	}
}

func BenchmarkClose(b *testing.B) {
	d := open(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		s, err := d.Create(b.Context(), benchSpec(i))
		if err != nil {
			b.Fatal(err)
		}
		start(b, s, "sleep 1000")
		refill(b, d)
		b.StartTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// refill returns when what the driver keeps ready is ready.
func refill(b *testing.B, d *Driver) {
	b.Helper()
	for _, take := range []func() error{
		func() error {
			s, err := d.network.take(b.Context(), false)
			if err != nil {
				return err
			}
			return d.network.release(s)
		},
		func() error {
			k, err := d.disks.Take(b.Context(), 512, 0, 0)
			if err != nil {
				return err
			}
			return k.Release()
		},
	} {
		if err := take(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart is of a command that does nothing, until it runs.
func BenchmarkStart(b *testing.B) {
	s := create(b, open(b), sandbox.Spec{})
	for b.Loop() {
		p, err := s.Start(sandbox.Command{Path: "/bin/true", Args: []string{"true"}})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		<-p.Done()
		b.StartTimer()
	}
}

func BenchmarkAttach(b *testing.B) {
	source, spec := b.TempDir(), sandbox.Spec{}
	for i := range 1000 {
		spec.Slots = append(spec.Slots, fmt.Sprintf("/opt/%d", i))
	}
	d := open(b)
	var s sandbox.Sandbox
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		if i%len(spec.Slots) == 0 {
			s = create(b, d, spec)
		}
		b.StartTimer()
		if err := s.Attach(sandbox.Mount{Source: source, Target: spec.Slots[i%len(spec.Slots)]}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFreezeAndThaw(b *testing.B) {
	s := create(b, open(b), sandbox.Spec{})
	start(b, s, "while :; do :; done")
	for b.Loop() {
		if err := s.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := s.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKillAll(b *testing.B) {
	s := create(b, open(b), sandbox.Spec{})
	for b.Loop() {
		b.StopTimer()
		start(b, s, "sleep 1000 & sleep 1000")
		b.StartTimer()
		if err := s.KillAll(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		d := openUnclosed(b)
		b.StopTimer()
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
