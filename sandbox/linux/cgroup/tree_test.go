//go:build linux

package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func TestOpenEndsWhatAKilledPredecessorLeft(t *testing.T) {
	predecessor := realTree(t)
	id := strings.TrimPrefix(filepath.Base(predecessor.folder()), "wick-")
	running := start(t, newGroup(t, predecessor, "a", sandbox.Limits{}), "alloc 1")
	frozen := newGroup(t, predecessor, "b", sandbox.Limits{})
	stands := start(t, frozen, "alloc 1")
	running.done(t)
	stands.done(t)
	if frozen.CanFreeze() {
		if err := frozen.Freeze(); err != nil {
			t.Fatal(err)
		}
	}
	newGroup(t, predecessor, "c", sandbox.Limits{})

	// The predecessor never gets to close anything.
	tree := openFor(t, id, system)
	for _, k := range []*kid{running, stands} {
		if sig := k.signal(t); sig != syscall.SIGKILL {
			t.Errorf("it ended by %v", sig)
		}
	}
	eventually(t, "the groups are gone", func() bool {
		names, err := tree.hier.leftovers()
		return err == nil && len(names) == 0
	})
	// Its names are free.
	newGroup(t, tree, "a", sandbox.Limits{})
}

// folder is one of the tree's own.
func (t *Tree) folder() string { return t.hier.folders()[0] }

func TestOpenRemovesAPredecessorsFolderElsewhereWhenItIsEmpty(t *testing.T) {
	id := newID()
	leak.Check(t, id)
	top := unified(t)
	session := filepath.Join(top, "session-"+id)
	stray := filepath.Join(session, "wick-"+id)
	if err := os.MkdirAll(filepath.Join(stray, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeFolder(session); err != nil {
			t.Error(err)
		}
	})
	busy := filepath.Join(session, "busy", "wick-"+id)
	if err := os.MkdirAll(filepath.Join(busy, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	beside(t, filepath.Join(busy, "a"))
	openFor(t, id, v2Machine(t, top, top))
	eventually(t, "the empty one is gone", func() bool { return !exists(session, "wick-"+id) })
	if !exists(busy, "a") {
		t.Error("one that somebody is in is gone")
	}
}

func TestCloseKillsWhatIsLeft(t *testing.T) {
	tree := realTree(t)
	g := newGroup(t, tree, "a", sandbox.Limits{})
	k := start(t, g, "spawn 3")
	k.done(t)
	ended := make(chan error, 1)
	go func() { ended <- k.Wait() }()
	for range 2 {
		if err := tree.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := <-ended; err == nil {
		t.Error("it ended well")
	}
	if _, err := tree.New("b", sandbox.Limits{}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a group in a closed tree: %v", err)
	}
	if _, err := os.Stat(tree.folder()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
}

func TestTreesOfTwoIDsDoNotTouchEachOther(t *testing.T) {
	one := realTree(t)
	k := start(t, newGroup(t, one, "a", sandbox.Limits{}), "alloc 1")
	k.done(t)
	two := openFor(t, newID(), system)
	newGroup(t, two, "a", sandbox.Limits{})
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	if !k.runs(t) {
		t.Error("the other tree's process has ended")
	}
}

func TestNamesAreCheckedAndUnique(t *testing.T) {
	tree := realTree(t)
	newGroup(t, tree, "a", sandbox.Limits{})
	if _, err := tree.New("a", sandbox.Limits{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same name: %v", err)
	}
	for _, name := range []string{"", "..", "a/b", "A"} {
		if _, err := tree.New(name, sandbox.Limits{}); err == nil {
			t.Errorf("%q is a name", name)
		}
		if _, err := Open(Options{ID: name}); err == nil {
			t.Errorf("%q is an ID", name)
		}
	}
	// The failures left nothing behind, nor took anything away.
	if names, err := tree.hier.leftovers(); !slices.Equal(names, []string{"a"}) || err != nil {
		t.Errorf("there are %q, %v", names, err)
	}
}

func TestAGroupKeepsAtMostSixDescriptors(t *testing.T) {
	tree := realTree(t)
	before := leak.Now()
	newGroup(t, tree, "a", sandbox.Limits{})
	if more := before.Diff(leak.Now()); len(more) > 6 {
		t.Errorf("there are %d: %q", len(more), more)
	}
}

func TestWithoutControlGroupsNothingIsLimited(t *testing.T) {
	leak.Check(t)
	for name, on := range map[string]machine{
		"none":        fakeMachine(t, "", ""),
		"not mounted": fakeMachine(t, "", "4:memory:/\n0::/\n"),
	} {
		tree := openFor(t, newID(), on)
		if tree.Version() != 0 || len(tree.Gaps()) != 1 {
			t.Errorf("%s: version %d, %q", name, tree.Version(), tree.Gaps())
		}
		g := newGroup(t, tree, "a", function128)
		if err := g.AddPID(os.Getpid()); err != nil {
			t.Error(err)
		}
		if err := g.Freeze(); g.CanFreeze() || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: freeze: %v", name, err)
		}
		if _, err := g.Usage(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: usage: %v", name, err)
		}
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	}
}

// fakeMachine is one whose files say so.
func fakeMachine(t *testing.T, mountinfo, self string) machine {
	t.Helper()
	dir := t.TempDir()
	on := machine{mountinfo: filepath.Join(dir, "mountinfo"), self: filepath.Join(dir, "cgroup"), v2: v2Controllers}
	for path, text := range map[string]string{on.mountinfo: mountinfo, on.self: self} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return on
}
