//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick/sandbox"
)

func TestMemoryOverTheLimitIsKilledAndCounted(t *testing.T) {
	tree := realTree(t)
	needs(t, tree, "memory")
	g := newGroup(t, tree, "a", sandbox.Limits{MemoryBytes: 64 << 20})
	within := start(t, g, "alloc 32")
	within.done(t)
	if n, err := g.OOMKills(); n != 0 || err != nil {
		t.Errorf("within the limit: %d, %v", n, err)
	}
	over := start(t, g, "alloc 128")
	if sig := over.signal(t); sig != syscall.SIGKILL {
		t.Errorf("it ended by %v", sig)
	}
	if n, err := g.OOMKills(); n < 1 || err != nil {
		t.Errorf("over the limit: %d, %v", n, err)
	}
}

func TestProcessesOverTheLimitCannotStart(t *testing.T) {
	tree := realTree(t)
	needs(t, tree, "pids")
	g := newGroup(t, tree, "a", sandbox.Limits{Processes: 20})
	k := start(t, g, "spawn 30")
	if err := k.Wait(); err == nil {
		t.Error("it has 30 children")
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestAFrozenGroupStandsUntilItIsThawed(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{})
	if !g.CanFreeze() {
		t.Skip("no freezer here: ", tree.Gaps())
	}
	frozenGroupStands(t, g)
}

func frozenGroupStands(t *testing.T, g *Group) {
	k := start(t, g, "burn 100000000")
	eventually(t, "CPU time is used", func() bool { return cpuOf(t, g) > 0 })
	for range 2 {
		for range 2 { // the second time does nothing
			if err := g.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		before := cpuOf(t, g)
		// Long enough for one that runs to show it; coming to a stand takes microseconds,
		// some of which are counted late.
		if err := exec.Command("sleep", "0.1").Run(); err != nil {
			t.Fatal(err)
		}
		if after := cpuOf(t, g); after-before > time.Millisecond {
			t.Errorf("frozen, it has used %v", after-before)
		}
		for range 2 {
			if err := g.Thaw(); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "it runs again", func() bool { return cpuOf(t, g) > before })
	}
	if !k.runs(t) {
		t.Error("it has ended")
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	k.signal(t)
}

func cpuOf(t *testing.T, g *Group) time.Duration {
	t.Helper()
	u, err := g.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u.CPU
}

func TestKillEndsProcessesThatAreFrozenAndLeavesTheGroupThawed(t *testing.T) {
	killEndsFrozen(t, newGroup(t, realTree(t), "a", sandbox.Limits{}))
}

func killEndsFrozen(t *testing.T, g *Group) {
	k := start(t, g, "spawn 5")
	k.done(t)
	if g.CanFreeze() {
		if err := g.Freeze(); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if sig := k.signal(t); sig != syscall.SIGKILL {
		t.Errorf("it ended by %v", sig)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := g.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	next := start(t, g, "alloc 1")
	next.done(t) // which it couldn't in a frozen group
}

func TestKillSparesTheProcessesToKeep(t *testing.T) {
	killSpares(t, newGroup(t, realTree(t), "a", sandbox.Limits{}))
}

func killSpares(t *testing.T, g *Group) {
	kept, other := start(t, g, "alloc 1"), start(t, g, "alloc 1")
	kept.done(t)
	other.done(t)
	if err := g.Kill(kept.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if sig := other.signal(t); sig != syscall.SIGKILL {
		t.Errorf("it ended by %v", sig)
	}
	if err := g.Wait(t.Context(), kept.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if !kept.runs(t) {
		t.Error("the one to keep has ended")
	}
}

func TestKillEndsProcessesThatForkAllTheTime(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{Processes: 200})
	cmd := exec.Command("sh", "-c", "read begin; f() { sleep 0.01 & f2 & }; f2() { while :; do f; done; }; f2")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.AddPID(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it forks", func() bool { pids, err := g.PIDs(); return err == nil && len(pids) > 20 })
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := g.Wait(ctx); err != nil {
		t.Error(err)
	}
}

func TestUsageAndItsPeakFollowWhatIsUsed(t *testing.T) {
	tree := realTree(t)
	needs(t, tree, "memory", "cpuacct")
	g := newGroup(t, tree, "a", sandbox.Limits{MemoryBytes: 256 << 20})
	start(t, g, "alloc 40").done(t)
	start(t, g, "burn 50").done(t)
	start(t, g, "alloc-and-free 100").done(t)
	u, err := g.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.MemoryBytes < 40<<20 || u.MemoryBytes > 80<<20 {
		t.Errorf("memory in use: %d", u.MemoryBytes)
	}
	if u.PeakMemoryBytes < 140<<20 || u.PeakMemoryBytes > 200<<20 {
		t.Errorf("its peak: %d", u.PeakMemoryBytes)
	}
	if u.CPU < 50*time.Millisecond {
		t.Errorf("CPU: %v", u.CPU)
	}
	if u.Processes < 3 {
		t.Errorf("processes: %d", u.Processes)
	}
	if err := g.ResetPeak(); err != nil {
		t.Fatal(err)
	}
	if u, err = g.Usage(); err != nil || u.PeakMemoryBytes > 80<<20 || u.PeakMemoryBytes < u.MemoryBytes {
		t.Errorf("after the reset: %+v, %v", u, err)
	}
	start(t, g, "alloc-and-free 60").done(t)
	if u, err = g.Usage(); err != nil || u.PeakMemoryBytes < 100<<20 {
		t.Errorf("60 MB on top: %+v, %v", u, err)
	}
}

func TestACPULimitHolds(t *testing.T) {
	tree := realTree(t)
	needs(t, tree, "cpu", "cpuacct")
	g := newGroup(t, tree, "a", sandbox.Limits{CPUMilli: 100})
	begin := time.Now()
	start(t, g, "burn 100").done(t)
	// A tenth of a CPU: a second, less what it used before the first period ended.
	if took := time.Since(begin); took < 700*time.Millisecond {
		t.Errorf("100 ms of CPU time at 0.1 CPU took %v", took)
	}
}

func TestLimitsGoUpAndDown(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{MemoryBytes: 128 << 20, CPUMilli: 72, Processes: 100})
	for _, l := range []sandbox.Limits{
		{MemoryBytes: 10240 << 20, CPUMilli: 6000, Processes: 1024},
		{MemoryBytes: 128 << 20, CPUMilli: 10, Processes: 10},
		{},
		{MemoryBytes: 512 << 20},
		{MemoryBytes: 512 << 20, CPUMilli: 1},
	} {
		if err := g.Limit(l); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
		if tree.Version() == 1 {
			limitsAreV1(t, g, l)
		}
	}
	if err := g.Limit(sandbox.Limits{MemoryBytes: -1}); err == nil {
		t.Error("it takes a limit below zero")
	}
}

func limitsAreV1(t *testing.T, g *Group, l sandbox.Limits) {
	t.Helper()
	m := g.member.(*v1Group)
	quota, period := cpuQuota(l.CPUMilli)
	memory := fmt.Sprint(l.MemoryBytes)
	if l.MemoryBytes == 0 {
		memory = fmt.Sprint(int64(1<<63-1) &^ 4095)
	}
	for _, f := range []struct{ controller, name, want string }{
		{"memory", "memory.limit_in_bytes", memory},
		{"memory", "memory.memsw.limit_in_bytes", memory},
		{"cpu", "cpu.cfs_period_us", fmt.Sprint(period)},
		{"cpu", "cpu.cfs_quota_us", numberOr(quota, "-1")},
		{"pids", "pids.max", numberOr(l.Processes, "max")},
	} {
		dir, ok := m.dir(f.controller)
		if !ok || !exists(dir, f.name) {
			continue
		}
		if got, err := readFile(dir, f.name); got != f.want || err != nil {
			t.Errorf("%s is %s for %+v, not %s (%v)", f.name, got, l, f.want, err)
		}
	}
}

func TestAnyShareOfACPUIsAQuotaTheKernelTakes(t *testing.T) {
	for _, c := range []struct{ milli, quota, period int }{
		{0, 0, 20_000},
		{1, 1_000, 1_000_000},
		{10, 1_000, 100_000},
		{50, 1_000, 20_000},
		{72, 1_440, 20_000},
		{1000, 20_000, 20_000},
		{5790, 115_800, 20_000},
	} {
		if quota, period := cpuQuota(c.milli); quota != c.quota || period != c.period {
			t.Errorf("%d: %d in %d, not %d in %d", c.milli, quota, period, c.quota, c.period)
		}
	}
}

func TestRemoveWaitsForProcessesButNotForever(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{})
	k := start(t, g, "alloc 1")
	k.done(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.remove(ctx); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("with a process in it: %v", err)
	}
	var removed sync.WaitGroup
	removed.Go(func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := k.in.Close(); err != nil { // it ends
		t.Fatal(err)
	}
	if err := k.Wait(); err != nil {
		t.Error(err)
	}
	removed.Wait()
	if err := g.Remove(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestARemovedGroupDoesNothing(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{})
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	_, usage := g.Usage()
	for what, err := range map[string]error{
		"add": g.AddPID(1), "limit": g.Limit(sandbox.Limits{Processes: 1}), "freeze": g.Freeze(),
		"thaw": g.Thaw(), "usage": usage, "kill": g.Kill(), "reset peak": g.ResetPeak(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if g := newGroup(t, tree, "a", sandbox.Limits{}); g.Name() != "a" {
		t.Errorf("the next of the name is %q", g.Name())
	}
}

func TestGroupsCanBeUsedByManyAtOnce(t *testing.T) {
	tree := realTree(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			g, err := tree.New(fmt.Sprintf("g%d", i), sandbox.Limits{MemoryBytes: 64 << 20})
			if err != nil {
				t.Error(err)
				return
			}
			k := start(t, g, "alloc 1")
			var each sync.WaitGroup
			for _, f := range []func() error{
				g.Freeze, g.Thaw, g.ResetPeak,
				func() error { _, err := g.Usage(); return err },
				func() error { return g.Limit(sandbox.Limits{MemoryBytes: 65 << 20}) },
			} {
				each.Go(func() {
					for range 5 {
						if err := f(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
							t.Error(err)
						}
					}
				})
			}
			each.Wait()
			if err := g.Kill(); err != nil {
				t.Error(err)
			}
			k.signal(t)
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// needs skips a test where the machine has not all controllers, which version 1 has by
// these names.
func needs(t *testing.T, tree *Tree, controllers ...string) {
	t.Helper()
	for _, c := range controllers {
		var ok bool
		switch h := tree.hier.(type) {
		case *v1:
			_, ok = h.parent[c]
		case *v2:
			ok = c == "cpuacct" || exists(filepath.Dir(h.parent), "cgroup.controllers") && contains(h.has, c)
		}
		if !ok {
			t.Skipf("no %s controller here: %v", c, tree.Gaps())
		}
	}
}
