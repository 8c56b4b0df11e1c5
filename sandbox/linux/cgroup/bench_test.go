//go:build linux

package cgroup

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/wick-run/wick/sandbox"
)

var function128 = sandbox.Limits{MemoryBytes: 128 << 20, CPUMilli: 72, Processes: 1024}

func benchTree(b *testing.B) *Tree {
	b.Helper()
	t, err := Open(Options{ID: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := t.Close(); err != nil {
			b.Error(err)
		}
	})
	if t.Version() == 0 {
		b.Skip("no control groups here: ", t.Gaps())
	}
	return t
}

func BenchmarkNewAndRemove(b *testing.B) {
	tree := benchTree(b)
	for i := 0; b.Loop(); i++ {
		g, err := tree.New("g"+strconv.Itoa(i), function128)
		if err != nil {
			b.Fatal(err)
		}
		if err := g.Remove(); err != nil {
			b.Fatal(err)
		}
	}
}

// sleeping is a group with a process that does nothing.
func sleeping(b *testing.B) *Group {
	b.Helper()
	g, err := benchTree(b).New("one", function128)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			b.Error(err)
		}
		_ = cmd.Wait() // killed, as it says
	})
	if err := g.AddPID(cmd.Process.Pid); err != nil {
		b.Fatal(err)
	}
	return g
}

func BenchmarkFreezeAndThaw(b *testing.B) {
	g := sleeping(b)
	for b.Loop() {
		if err := g.Freeze(); err != nil {
			b.Fatal(err)
		}
		if err := g.Thaw(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUsage(b *testing.B) {
	g := sleeping(b)
	for b.Loop() {
		if _, err := g.Usage(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAddPID(b *testing.B) {
	g := sleeping(b)
	pids, err := g.PIDs()
	if err != nil || len(pids) != 1 {
		b.Fatal(pids, err)
	}
	other, err := g.tree.New("other", function128)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		to := g
		if i%2 == 0 {
			to = other
		}
		if err := to.AddPID(pids[0]); err != nil {
			b.Fatal(err)
		}
	}
}
