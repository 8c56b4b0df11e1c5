//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

// Options say whose groups a [Tree] holds.
type Options struct {
	// ID tells one Wick on the machine from another: [a-z0-9]{1,32}. Of two that run
	// at the same time none may have the other's.
	ID string
	// Log takes what the background work finds; nil is slog.Default.
	Log *slog.Logger
}

// Tree is the folder of one Wick's groups, in every hierarchy it needs.
type Tree struct {
	hier hierarchy
	log  *slog.Logger
	stop context.CancelFunc // ends the sweep's waiting
	work sync.WaitGroup     // the sweep

	mu     sync.Mutex // guards groups and closed
	groups map[*Group]struct{}
	closed bool

	announced atomic.Int64 // when, in Unix nanoseconds
}

// hierarchy is what differs between the versions for a tree.
type hierarchy interface {
	version() int
	gaps() []string
	// folders are the tree's own, one in each hierarchy.
	folders() []string
	// leftovers are names of groups that are there already.
	leftovers() ([]string, error)
	// open takes over a group that exists, make makes one.
	open(name string) (member, error)
	make(name string) (member, error)
	// announce is Tree.Announce.
	announce()
	// close removes the tree's own folders, once the groups are gone.
	close() error
}

// validID is the form of an ID and of a group's name.
var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Open finds the control groups of this machine and makes the folder "wick-ID" in
// them. Groups that a killed predecessor of the same ID left there end: their
// processes have SIGKILL when Open returns, waiting for them and removing the groups
// goes on in the background until Close. A predecessor's folder in another place, the
// control group of another session say, is removed too when no process is in it.
//
// A machine without usable control groups is no error: see [Tree.Version] and
// [Tree.Gaps].
func Open(o Options) (*Tree, error) {
	return openTree(o, system)
}

func openTree(o Options, on machine) (*Tree, error) {
	if !validID.MatchString(o.ID) {
		return nil, fmt.Errorf("cgroup: %q is no ID: letters a-z, digits", o.ID)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	hier, err := on.find("wick-" + o.ID)
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &Tree{hier: hier, log: o.Log, stop: stop, groups: map[*Group]struct{}{}}
	if err := t.sweep(ctx, on, "wick-"+o.ID); err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("cgroup: leftovers: %w", err), hier.close())
	}
	return t, nil
}

// sweep kills what a predecessor left and removes it in the background.
func (t *Tree) sweep(ctx context.Context, on machine, name string) error {
	names, err := t.hier.leftovers()
	if err != nil {
		return err
	}
	var left []*Group
	for _, name := range names {
		m, err := t.hier.open(name)
		if err != nil {
			return err
		}
		g := &Group{name: name, tree: t, member: m}
		if err := g.Kill(); err != nil {
			t.log.Warn("cgroup: can't kill a leftover group", "group", name, "error", err)
		}
		left = append(left, g)
	}
	t.mu.Lock()
	for _, g := range left {
		t.groups[g] = struct{}{}
	}
	t.mu.Unlock()
	t.work.Go(func() {
		for _, dir := range on.strays(ctx, name, t.hier.folders()) {
			// Where someone is in it, it isn't ours to end.
			_ = removeFolder(dir)
		}
		for _, g := range left {
			if err := g.remove(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("cgroup: can't remove a leftover group", "group", g.name, "error", err)
			}
		}
	})
	return nil
}

// treeWeight is the weight of all groups together beside the machine's other programs: of
// a program's thread for each CPU. With that of one, all functions together would have as
// much of busy CPUs as one thread of the server.
func treeWeight() int { return runtime.NumCPU() * sandbox.UsualWeight }

// Version is the version of the interface in use, 1 or 2, or 0 when none is usable.
func (t *Tree) Version() int { return t.hier.version() }

// Gaps says, a line each, what can't be limited or done here and what to do about it.
func (t *Tree) Gaps() []string { return t.hier.gaps() }

// announcedFor is how long after a process was put into a group, or that was announced,
// another one goes at once.
const announcedFor = 5 * time.Millisecond

// Announce has the kernel ready for a process to be put into a group in a moment: in
// version 1 it waits, some ten milliseconds, until no other process is between being
// forked and being in its group, unless it has done so just before. It returns when that
// is so, and need not be waited for.
func (t *Tree) Announce() {
	now := time.Now()
	if last := t.announced.Load(); now.UnixNano()-last > int64(announcedFor) && t.announced.CompareAndSwap(last, now.UnixNano()) {
		t.hier.announce()
	}
}

// New makes a group with these limits and no process in it. Where [Tree.Version] is 0
// the group bounds nothing and its methods say [errors.ErrUnsupported], but for
// AddPID, Limit and Remove, which do nothing.
func (t *Tree) New(name string, l sandbox.Limits) (*Group, error) {
	if !validID.MatchString(name) {
		return nil, fmt.Errorf("cgroup: %q is no name of a group", name)
	}
	t.mu.Lock()
	closed := t.closed
	t.mu.Unlock()
	if closed {
		return nil, fmt.Errorf("cgroup: %s: tree is closed: %w", name, fs.ErrClosed)
	}
	m, err := t.hier.make(name)
	if err != nil {
		return nil, fmt.Errorf("cgroup: make %s: %w", name, err)
	}
	g := &Group{name: name, tree: t, member: m}
	if err := g.Limit(l); err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed { // Close came between: it has not seen this group
		return nil, errors.Join(fmt.Errorf("cgroup: %s: tree is closed: %w", name, fs.ErrClosed), m.remove())
	}
	t.groups[g] = struct{}{}
	return g, nil
}

// Close kills what is in the groups that are still there, removes them and the tree's
// folder. It can be called twice.
func (t *Tree) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.work.Wait()
		return nil
	}
	t.closed = true
	left := make([]*Group, 0, len(t.groups))
	for g := range t.groups {
		left = append(left, g)
	}
	t.mu.Unlock()

	t.stop()
	t.work.Wait()
	var errs []error
	for _, g := range left {
		if err := g.Kill(); err != nil && !errors.Is(err, fs.ErrClosed) && !errors.Is(err, errors.ErrUnsupported) {
			errs = append(errs, err)
		}
	}
	for _, g := range left {
		errs = append(errs, g.Remove())
	}
	return errors.Join(append(errs, t.hier.close())...)
}

// forget drops a group that has been removed.
func (t *Tree) forget(g *Group) {
	t.mu.Lock()
	delete(t.groups, g)
	t.mu.Unlock()
}

// subfolders are the names of the groups in a folder of a hierarchy.
func subfolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// removeFolder removes a group's folder and those that processes made in it. A folder
// that isn't there is removed.
func removeFolder(dir string) error {
	err := unix.Rmdir(dir)
	for errors.Is(err, unix.EINTR) {
		err = unix.Rmdir(dir)
	}
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	inner, _ := subfolders(dir) // the error of rmdir says more than that of a listing
	if len(inner) == 0 {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	for _, name := range inner {
		if err := removeFolder(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// removeWait bounds how long Remove waits for processes to be gone. A process killed
// while it writes to a slow disk takes as long as the disk does.
const removeWait = 5 * time.Second
