//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAnnouncingAProcessMovesNobody(t *testing.T) {
	tree := realTree(t)
	before, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("this kernel has no control groups: ", err)
	}
	for range 3 {
		tree.Announce()
		tree.announced.Store(0)
	}
	after, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Errorf("this process was in\n%s and is in\n%s", before, after)
	}
}

// announcing is a tree whose own groups are said to be in a folder of the test's.
func announcing(t *testing.T) (tree *Tree, procs, self string) {
	t.Helper()
	dir := t.TempDir()
	self, procs = filepath.Join(dir, "self"), filepath.Join(dir, "cgroup.procs")
	if err := os.Mkdir(filepath.Join(dir, "wick-x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{self, procs} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := &v1{dirs: []string{filepath.Join(dir, "wick-x")}, self: self, inSelf: "4:freezer:/a\n"}
	return &Tree{hier: h}, procs, self
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessIsAnnouncedOnceInAWhile(t *testing.T) {
	tree, procs, self := announcing(t)
	written := func() string {
		text, err := os.ReadFile(procs)
		if err != nil {
			t.Fatal(err)
		}
		write(t, procs, "")
		return strings.TrimSpace(string(text))
	}
	own := strconv.Itoa(os.Getpid())
	write(t, self, "4:freezer:/a\n")
	if tree.Announce(); written() != own {
		t.Error("the first was not announced")
	}
	tree.announced.Store(time.Now().Add(time.Hour).UnixNano())
	if tree.Announce(); written() != "" {
		t.Error("another was announced right after it")
	}
	tree.announced.Store(0)
	if tree.Announce(); written() != own {
		t.Error("one was not announced a while later")
	}
	// Somebody has put this process elsewhere: it isn't put back.
	tree.announced.Store(0)
	write(t, self, "4:freezer:/b\n")
	if tree.Announce(); written() != "" {
		t.Error("this process was put back to where it had been")
	}
}
