//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// Group is the control group of one sandbox. Its methods can be called from several
// goroutines; after Remove they fail with [fs.ErrClosed].
type Group struct {
	name   string
	tree   *Tree
	member member

	mu      sync.Mutex // one change at a time: limits, freezing, killing, removal
	limits  sandbox.Limits
	limited bool
	frozen  bool

	removed atomic.Bool

	sampleMu sync.Mutex
	sampled  int64 // highest MemoryBytes seen since the last ResetPeak
}

// member is what differs between the versions for a group. Calls that change something
// come one at a time.
type member interface {
	addPID(pid int) error
	cloneFD() (int, bool)
	limit(old *sandbox.Limits, l sandbox.Limits) error
	weigh(weight int) error
	canFreeze() bool
	thawFile() (string, bool)
	freeze(frozen bool) error // begins it
	stands() (bool, error)    // whether no process runs any more
	// wait returns when stands may have changed, at the latest after d.
	wait(d time.Duration)
	// usage leaves PeakMemoryBytes 0 where the kernel doesn't keep one.
	usage() (sandbox.Usage, error)
	// peakBytes is the kernel's highest mark; 0 where it doesn't keep one.
	peakBytes() (int64, error)
	resetPeak() error
	oomKills() (int64, error)
	pids() ([]int, error)
	// kill ends everything at once; false where the kernel can't.
	kill() (bool, error)
	// remove removes the folders; release gives up the descriptors.
	remove() error
	release() error
}

// Name is the name given to [Tree.New].
func (g *Group) Name() string { return g.name }

// AddPID moves a process, with all its threads, into the group. Its children to come
// are in it from their first instruction on.
func (g *Group) AddPID(pid int) error {
	if g.removed.Load() {
		return g.errorf("add process %d: %w", pid, fs.ErrClosed)
	}
	if err := g.member.addPID(pid); err != nil {
		return g.errorf("add process %d: %w", pid, err)
	}
	return nil
}

// CloneFD is a descriptor of the group's folder for clone3's CLONE_INTO_CGROUP
// ([syscall.SysProcAttr.CgroupFD]), with which a process starts in the group instead
// of being moved there. Only version 2 has it. It is the group's: don't close it.
func (g *Group) CloneFD() (int, bool) { return g.member.cloneFD() }

// Limit changes the limits. A memory limit below what is in use makes the kernel
// reclaim; what doesn't fit then is an error with version 1 and an OOM kill with 2.
func (g *Group) Limit(l sandbox.Limits) error {
	if l.MemoryBytes < 0 || l.CPUMilli < 0 || l.Processes < 0 {
		return g.errorf("limits %+v: below zero", l)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return g.errorf("limit: %w", fs.ErrClosed)
	}
	var old *sandbox.Limits
	if g.limited {
		if g.limits == l {
			return nil
		}
		old = &g.limits
	}
	if err := g.member.limit(old, l); err != nil {
		g.limited = false // some are set, others not: write all the next time
		return g.errorf("limit: %w", err)
	}
	g.limits, g.limited = l, true
	return nil
}

// Weigh sets the group's part of the CPUs beside the others, from [sandbox.MinWeight] to
// [sandbox.UsualWeight] and above; a number out of the kernel's range is brought into it.
func (g *Group) Weigh(weight int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return g.errorf("weigh: %w", fs.ErrClosed)
	}
	if err := g.member.weigh(weight); err != nil {
		return g.errorf("weigh: %w", err)
	}
	return nil
}

// CanFreeze says whether Freeze works on this machine.
func (g *Group) CanFreeze() bool { return g.member.canFreeze() }

// ThawFile is the file that a write of "THAWED" to thaws the group by. Only version 1 has
// it, where a frozen process doesn't die of a SIGKILL: who wants a group to end with its
// server hands this file to someone who outlives that.
func (g *Group) ThawFile() (string, bool) { return g.member.thawFile() }

// freezeWait bounds how long Freeze waits. A process takes microseconds to freeze
// unless it is in the middle of a slow system call that can't be interrupted.
const freezeWait = 2 * time.Second

// Freeze stops every process of the group from running and returns when all stand. It
// does nothing to a frozen group. One that doesn't come to stand within two seconds is
// thawed again, with an error that is [unix.ETIMEDOUT].
func (g *Group) Freeze() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return g.errorf("freeze: %w", fs.ErrClosed)
	}
	if g.frozen {
		return nil
	}
	if err := g.stop(freezeWait); err != nil {
		return g.errorf("freeze: %w", errors.Join(err, g.member.freeze(false)))
	}
	return nil
}

// Thaw lets a frozen group go on. It does nothing to one that isn't frozen.
func (g *Group) Thaw() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return g.errorf("thaw: %w", fs.ErrClosed)
	}
	if !g.frozen {
		return nil
	}
	// A thaw takes effect in the write itself: nothing to wait for.
	if err := g.member.freeze(false); err != nil {
		return g.errorf("thaw: %w", err)
	}
	g.frozen = false
	return nil
}

// stop freezes and waits until all stand. The caller holds mu.
func (g *Group) stop(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		// Version 1 misses a process that is about to wait for its vfork's child when that
		// child is frozen at birth; being told again it looks again.
		if err := g.member.freeze(true); err != nil {
			return err
		}
		ok, err := g.member.stands()
		if err != nil {
			return err
		}
		if ok {
			g.frozen = true
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still running after %v: %w", patience, unix.ETIMEDOUT)
		}
		g.member.wait(pause)
	}
}

// Usage reads what the group uses. MemoryBytes is the working set: what is charged to
// the group without the file cache the kernel would drop first. PeakMemoryBytes is the
// kernel's highest mark since the group was made or ResetPeak; where the kernel keeps
// none, or one that can't be set back (version 2 before Linux 6.12), it is the highest
// of the readings by Usage instead. TmpBytes is not the group's to know.
func (g *Group) Usage() (sandbox.Usage, error) {
	u, err := g.member.usage()
	if err != nil {
		return sandbox.Usage{}, g.errorf("usage: %w", err)
	}
	g.sampleMu.Lock()
	g.sampled = max(g.sampled, u.MemoryBytes)
	u.PeakMemoryBytes = max(u.PeakMemoryBytes, g.sampled)
	g.sampleMu.Unlock()
	return u, nil
}

// Peak reads Usage's PeakMemoryBytes alone.
func (g *Group) Peak() (int64, error) {
	peak, err := g.member.peakBytes()
	switch {
	case err != nil:
		return 0, g.errorf("peak: %w", err)
	case peak == 0: // only readings tell
		u, err := g.Usage()
		return u.PeakMemoryBytes, err
	}
	g.sampleMu.Lock()
	defer g.sampleMu.Unlock()
	return max(peak, g.sampled), nil
}

// ResetPeak starts a new measurement of Usage.PeakMemoryBytes.
func (g *Group) ResetPeak() error {
	if err := g.member.resetPeak(); err != nil {
		return g.errorf("reset peak: %w", err)
	}
	g.sampleMu.Lock()
	g.sampled = 0
	g.sampleMu.Unlock()
	return nil
}

// OOMKills is how many processes of the group the kernel has ended for exceeding the
// memory limit, since the group was made.
func (g *Group) OOMKills() (int64, error) {
	n, err := g.member.oomKills()
	if err != nil {
		return 0, g.errorf("oom kills: %w", err)
	}
	return n, nil
}

// PIDs are the processes in the group, as this process sees them.
func (g *Group) PIDs() ([]int, error) {
	pids, err := g.member.pids()
	if err != nil {
		return nil, g.errorf("processes: %w", err)
	}
	return pids, nil
}

// killFreeze is how long Kill tries to have all stand before it signals them.
const killFreeze = 50 * time.Millisecond

// Kill sends SIGKILL to every process of the group but those in keep, frozen or not,
// and leaves the group thawed. It returns when all have been signalled, which isn't
// when they are gone: wait for the processes, or see Wait. A group that somebody else
// has removed has nobody left to kill.
func (g *Group) Kill(keep ...int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return g.errorf("kill: %w", fs.ErrClosed)
	}
	if len(keep) == 0 {
		if done, err := g.member.kill(); err != nil && !vanished(err) {
			return g.errorf("kill: %w", err)
		} else if done {
			return g.thawed(nil)
		}
	}
	// None can fork while all stand, so one pass gets everybody. Where freezing fails
	// or isn't there, passes go on until one finds nobody new.
	stood := false
	if g.member.canFreeze() {
		stood = g.frozen || g.stop(killFreeze) == nil
	}
	hit := map[int]bool{}
	for _, pid := range keep {
		hit[pid] = true
	}
	for fresh := true; fresh; {
		fresh = false
		pids, err := g.member.pids()
		if vanished(err) {
			return nil
		}
		if err != nil {
			return g.errorf("kill: %w", g.thawed(err))
		}
		for _, pid := range pids {
			// 0 is a process of a namespace this one can't see: not ours to signal.
			if pid == 0 || hit[pid] {
				continue
			}
			hit[pid], fresh = true, true
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return g.errorf("kill process %d: %w", pid, g.thawed(err))
			}
		}
		if stood {
			break
		}
	}
	return g.thawed(nil)
}

// vanished says whether err is that of a group whose folder is gone.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// thawed thaws, joining its error to err. The caller holds mu.
func (g *Group) thawed(err error) error {
	if !g.member.canFreeze() {
		return err
	}
	g.frozen = false
	return errors.Join(err, g.member.freeze(false))
}

// Wait returns when no process but those in keep is left, or with ctx's error.
func (g *Group) Wait(ctx context.Context, keep ...int) error {
	kept := map[int]bool{}
	for _, pid := range keep {
		kept[pid] = true
	}
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		pids, err := g.PIDs()
		if err != nil {
			return err
		}
		left := 0
		for _, pid := range pids {
			if !kept[pid] {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return g.errorf("%d processes are left: %w", left, err)
		}
	}
}

// Remove removes the group, after its processes are gone: it waits five seconds at most
// for them, but doesn't kill. It can be called twice, and again after an error.
func (g *Group) Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeWait)
	defer cancel()
	return g.remove(ctx)
}

func (g *Group) remove(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.removed.Load() {
		return nil
	}
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := g.member.remove()
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EBUSY) {
			return g.errorf("remove: %w", err)
		}
		if sleep(ctx, pause) != nil {
			return g.errorf("remove: processes are left: %w", err)
		}
	}
	g.removed.Store(true)
	err := g.member.release()
	g.tree.forget(g)
	if err != nil {
		return g.errorf("remove: %w", err)
	}
	return nil
}

func (g *Group) errorf(format string, args ...any) error {
	return fmt.Errorf("cgroup %s: "+format, append([]any{g.name}, args...)...)
}

// sleep waits for d, or less with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
