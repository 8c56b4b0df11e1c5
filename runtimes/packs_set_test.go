package runtimes

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packShelf is a set with walls, and a package to compile.
type packShelf struct {
	*Set
	m    Match
	tree Tree
	dir  string
	runs int // how often something was compiled
}

func newPackShelf(t *testing.T, o Options) *packShelf {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	program := filepath.Join(t.TempDir(), "python3.12")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	o.Root, o.Home, o.Walls = t.TempDir(), t.TempDir(), true
	o.Getenv = func(string) string { return "" }
	k := &packShelf{tree: Tree{Name: strings.Repeat("ab", 32), Target: taskDir}, dir: t.TempDir()}
	k.m = Match{Runtime: "python3.12", Language: Python, Interpreter: Interpreter{Language: Python, Version: "3.12.1", Bin: program}}
	k.open(t, o)
	rewrite(t, k.dir, map[string]string{"app.py": strings.Repeat("x = 1\n", 10_000)})
	return k
}

// open makes the set anew, as another process has it.
func (k *packShelf) open(t *testing.T, o Options) {
	t.Helper()
	var err error
	if k.Set, err = Discover(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// make has a pack made with something in it.
func (k *packShelf) make(t *testing.T, content string) error {
	t.Helper()
	return k.MakePack(k.m, k.tree, k.dir, func(_ Command, out *os.File) error {
		k.runs++
		_, err := io.WriteString(out, content)
		return err
	})
}

// has returns what is in the tree's pack, "" where there is none.
func (k *packShelf) has(t *testing.T) (content string, missing bool) {
	t.Helper()
	folder, missing := k.Pack(k.m, k.tree)
	if folder == "" {
		return "", missing
	}
	data, err := os.ReadFile(filepath.Join(folder, packName))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), missing
}

func (k *packShelf) expect(t *testing.T, content string, missing bool) {
	t.Helper()
	if got, miss := k.has(t); got != content || miss != missing {
		t.Errorf("the pack has %q, missing %t; want %q, %t", got, miss, content, missing)
	}
}

func TestAPackIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	k := newPackShelf(t, Options{Dir: dir})
	k.expect(t, "", true)
	for range 2 {
		if err := k.make(t, "compiled"); err != nil {
			t.Fatal(err)
		}
	}
	k.expect(t, "compiled", false)
	k.open(t, k.options)
	k.expect(t, "compiled", false)
	if k.runs != 1 {
		t.Errorf("it was compiled %d times", k.runs)
	}
	layers := k.tree
	layers.Target = optDir
	if folder, missing := k.Pack(k.m, layers); folder != "" || !missing {
		t.Errorf("what was compiled for /var/task is used in /opt: %s", folder)
	}
	newer := k.m
	newer.Interpreter.Version = "3.12.2"
	if folder, missing := k.Pack(newer, k.tree); folder != "" || !missing {
		t.Errorf("what another interpreter has compiled is used: %s", folder)
	}
}

func TestAPackThatIsntWhatItWasIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, pack, sum string){
		"another byte": func(t *testing.T, pack, _ string) {
			rewrite(t, filepath.Dir(pack), map[string]string{packName: "compileD"})
		},
		"cut": func(t *testing.T, pack, _ string) {
			rewrite(t, filepath.Dir(pack), map[string]string{packName: "comp"})
		},
		"longer": func(t *testing.T, pack, _ string) {
			rewrite(t, filepath.Dir(pack), map[string]string{packName: "compiled again"})
		},
		"gone": func(t *testing.T, pack, _ string) { remove(t, pack) },
		"its folder gone": func(t *testing.T, pack, _ string) {
			remove(t, pack)
			remove(t, filepath.Dir(pack))
		},
		"no sum": func(t *testing.T, _, sum string) { remove(t, sum) },
		"a broken sum": func(t *testing.T, _, sum string) {
			rewrite(t, filepath.Dir(sum), map[string]string{filepath.Base(sum): "?"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newPackShelf(t, Options{})
			if err := k.make(t, "compiled"); err != nil {
				t.Fatal(err)
			}
			folder, _ := k.Pack(k.m, k.tree)
			damage(t, filepath.Join(folder, packName), folder+".sum")
			k.open(t, k.options)
			k.expect(t, "", true)
			if err := k.make(t, "compiled anew"); err != nil {
				t.Fatal(err)
			}
			k.expect(t, "compiled anew", false)
		})
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func TestOfLittleCodeNoPackIsMade(t *testing.T) {
	k := newPackShelf(t, Options{})
	rewrite(t, k.dir, map[string]string{"app.py": "def handler(e, c):\n    pass\n", "large.txt": strings.Repeat("x", 1<<20)})
	if err := k.make(t, "compiled"); err != nil {
		t.Fatal(err)
	}
	k.expect(t, "", false)
	k.open(t, k.options)
	k.expect(t, "", false)
	if k.runs != 0 {
		t.Error("it was compiled")
	}
}

func TestAPackThatCantBeMadeIsTriedAgainLater(t *testing.T) {
	for name, run := range map[string]func(c Command, out *os.File) error{
		"a failure": func(_ Command, out *os.File) error {
			_, err := out.WriteString("half of")
			return errors.Join(err, errors.New("it ended badly"))
		},
		"too much": func(_ Command, out *os.File) error {
			chunk := make([]byte, 1<<20)
			for range packFileBytes>>20 + 1 {
				if _, err := out.Write(chunk); err != nil {
					return nil //nolint:nilerr // as a program that SIGPIPE doesn't end
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newPackShelf(t, Options{})
			if err := k.MakePack(k.m, k.tree, k.dir, run); err == nil {
				t.Error("no error")
			}
			k.expect(t, "", false)
			for _, state := range k.packs.known {
				state.at = state.at.Add(-packRetry - time.Second)
			}
			k.expect(t, "", true)
			if err := k.make(t, "compiled"); err != nil {
				t.Fatal(err)
			}
			k.expect(t, "compiled", false)
			if left, err := filepath.Glob(filepath.Join(k.packsDir(), ".*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

func TestPacksUnusedForLongestGoWhenThereAreTooMany(t *testing.T) {
	k := newPackShelf(t, Options{PacksBytes: 25})
	names := []string{strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)}
	for n, name := range names {
		k.tree.Name = name
		if err := k.make(t, "ten bytes."); err != nil {
			t.Fatal(err)
		}
		folder, _ := k.Pack(k.m, k.tree)
		if n == 0 {
			k.expect(t, "ten bytes.", false)
			continue
		}
		if n == 1 { // used before the first, as far as files tell
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(folder+".sum", long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n, want := range []string{"ten bytes.", "", "ten bytes."} {
		k.tree.Name = names[n]
		k.expect(t, want, want == "")
	}
}

func TestPacksGoWithTheirPackages(t *testing.T) {
	k := newPackShelf(t, Options{})
	first, second := k.tree, Tree{Name: strings.Repeat("cd", 32), Target: optDir}
	for _, tree := range []Tree{first, second} {
		k.tree = tree
		if err := k.make(t, "compiled"); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.DropPacks(first.Name); err != nil {
		t.Fatal(err)
	}
	k.tree = first
	k.expect(t, "", true)
	k.tree = second
	k.expect(t, "compiled", false)
	if err := os.Mkdir(filepath.Join(k.packsDir(), ".new-1"), 0o755); err != nil { //nolint:gosec // as it is made
		t.Fatal(err)
	}
	if err := k.SweepPacks(func(tree string) bool { return tree != second.Name }); err != nil {
		t.Fatal(err)
	}
	k.expect(t, "", true)
	if left, err := os.ReadDir(k.packsDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestWithoutWallsNothingIsCompiledAhead(t *testing.T) {
	k := newPackShelf(t, Options{})
	k.options.Walls = false
	if slots := k.PackSlots(k.m); len(slots) > 0 {
		t.Errorf("there are slots: %v", slots)
	}
	k.expect(t, "", false)
	if err := k.make(t, "compiled"); err != nil || k.runs > 0 {
		t.Errorf("%d runs, %v", k.runs, err)
	}
}

func TestSlotsOfPacksAreThereForLanguagesThatHaveThem(t *testing.T) {
	k := newPackShelf(t, Options{})
	for _, l := range languages {
		m := Match{Language: l.name, Interpreter: Interpreter{Language: l.name}}
		slots := k.PackSlots(m)
		if want := l.packs != nil; (len(slots) == len(packTargets)) != want {
			t.Errorf("%s has %v", l.name, slots)
		}
		for _, slot := range slots {
			if inside := filepath.Join(k.bootstraps[l.name], strings.TrimPrefix(slot, runtimeDir)); !isDir(inside) {
				t.Errorf("there is no %s", inside)
			}
		}
	}
}
