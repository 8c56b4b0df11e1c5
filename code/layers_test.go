package code

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// layers acquires and releases what packages make together.
func layers(t testing.TB, s *Store, packages ...wick.Package) string {
	t.Helper()
	d, release, err := s.AcquireLayers(context.Background(), shasOf(packages))
	if err != nil {
		t.Fatal(err)
	}
	release()
	return d
}

func shasOf(packages []wick.Package) (shas []string) {
	for _, p := range packages {
		shas = append(shas, p.SHA256)
	}
	return shas
}

// contents lists what is below a folder: path → content, "→TARGET" or "/".
func contents(t testing.TB, root string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == root {
			return err
		}
		name, err := filepath.Rel(root, at)
		switch {
		case err != nil:
		case d.IsDir():
			got[name] = "/"
		case d.Type() == fs.ModeSymlink:
			var target string
			target, err = os.Readlink(at)
			got[name] = "→" + target
		default:
			got[name] = read(t, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestALaterLayersFilesTakeThePlaceOfAnEarlierOnes(t *testing.T) {
	link := fs.ModeSymlink | 0o777
	for name, c := range map[string]struct {
		layers [][]file
		want   map[string]string
	}{
		"side by side": {
			[][]file{{{name: "bin/a", body: "1"}}, {{name: "bin/b", body: "2"}, {name: "lib/c", body: "2"}}},
			map[string]string{"bin": "/", "bin/a": "1", "bin/b": "2", "lib": "/", "lib/c": "2"},
		},
		"one file": {
			[][]file{{{name: "a", body: "1"}}, {{name: "a", body: "2"}}, {{name: "a", body: "three"}}},
			map[string]string{"a": "three"},
		},
		"a file over a folder": {
			[][]file{{{name: "x/y/deep", body: "1"}, {name: "z", body: "1"}}, {{name: "x", body: "2"}}},
			map[string]string{"x": "2", "z": "1"},
		},
		"a folder over a file": {
			[][]file{{{name: "x", body: "1"}}, {{name: "x/y", body: "2"}}},
			map[string]string{"x": "/", "x/y": "2"},
		},
		"a file over a folder over a file": {
			[][]file{{{name: "x", body: "1"}}, {{name: "x/y", body: "2"}}, {{name: "x", body: "3"}}},
			map[string]string{"x": "3"},
		},
		"a link over a folder": {
			[][]file{{{name: "lib/a", body: "1"}, {name: "lib64/a", body: "64"}}, {{name: "lib", body: "lib64", mode: link}}},
			map[string]string{"lib": "→lib64", "lib64": "/", "lib64/a": "64"},
		},
		"a folder over a link": {
			[][]file{{{name: "lib", body: "lib64", mode: link}, {name: "lib64/a", body: "64"}}, {{name: "lib/b", body: "2"}}},
			map[string]string{"lib": "/", "lib/b": "2", "lib64": "/", "lib64/a": "64"},
		},
		"an empty folder": {
			[][]file{{{name: "a", body: "1"}}, {{name: "empty/", mode: fs.ModeDir | 0o755}}},
			map[string]string{"a": "1", "empty": "/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			var packages []wick.Package
			for _, l := range c.layers {
				packages = append(packages, put(t, s, l...))
			}
			if got := contents(t, layers(t, s, packages...)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestMergedLayersShareTheFilesOfTheirPackages(t *testing.T) {
	s := openStore(t, t.TempDir())
	a, b := put(t, s, file{name: "bin/tool", body: "#!", mode: 0o755}), put(t, s, file{name: "b", body: "2"})
	merged := layers(t, s, a, b)
	own, err := os.Stat(filepath.Join(dir(t, s, a.SHA256), "bin/tool"))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := os.Stat(filepath.Join(merged, "bin/tool"))
	if err != nil || !os.SameFile(own, shared) {
		t.Errorf("a copy was made (%v)", err)
	}
	if d := layers(t, s, a); d != dir(t, s, a.SHA256) {
		t.Errorf("one layer alone is at %s", d)
	}
	if layers(t, s, b, a) == merged {
		t.Error("another order has the same folder")
	}
	if folder, err := os.Stat(filepath.Join(merged, "bin")); err != nil || folder.Mode().Perm() != 0o755 {
		t.Errorf("folder of mode %v, %v", folder.Mode(), err)
	}
}

func TestMergedLayersAreMadeOnceAndAgainWhenDamaged(t *testing.T) {
	where := t.TempDir()
	s := openStore(t, where)
	a, b := put(t, s, file{name: "a", body: "one"}), put(t, s, file{name: "b", body: "two"})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { layers(t, s, a, b) })
	}
	wg.Wait()
	d := layers(t, s, a, b)
	before, err := os.Stat(d)
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, s.Close())
	s = openStore(t, where)
	layers(t, s, a, b)
	if after, err := os.Stat(d); err != nil || !os.SameFile(before, after) {
		t.Errorf("made again without need (%v)", err)
	}
	mustDo(t, s.Close())
	mustDo(t, os.Remove(filepath.Join(d, "b")))
	s = openStore(t, where)
	if got := read(t, filepath.Join(layers(t, s, a, b), "b")); got != "two" {
		t.Errorf("got %q", got)
	}
}

func TestALayerThatIsNotThereCantBeMerged(t *testing.T) {
	s := openStore(t, t.TempDir())
	a := put(t, s, file{name: "a", body: "one"})
	for _, missing := range []string{strings.Repeat("0", 64), "", "../../etc"} {
		_, _, err := s.AcquireLayers(context.Background(), []string{a.SHA256, missing})
		if wick.KindOf(err) != wick.NotFound {
			t.Errorf("%q: %v", missing, err)
		}
	}
	mustDo(t, s.Close())
	if _, _, err := s.AcquireLayers(context.Background(), []string{a.SHA256, a.SHA256}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestCollectTakesMergedLayersThatNothingRefersTo(t *testing.T) {
	ctx := context.Background()
	where := t.TempDir()
	s := openStore(t, where)
	a, b := put(t, s, file{name: "a", body: "one"}), put(t, s, file{name: "b", body: "two"})
	used, idle := layers(t, s, a, b), layers(t, s, a, b, a)
	held, release, err := s.AcquireLayers(ctx, []string{b.SHA256, a.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	inUse := map[string]bool{a.SHA256: true, b.SHA256: true, wick.MergedLayers([]string{a.SHA256, b.SHA256}): true}
	collect := func(grace time.Duration, want map[string]bool) {
		t.Helper()
		s.o.Grace = grace
		if _, err := s.Collect(ctx, inUse); err != nil {
			t.Fatal(err)
		}
		for d, there := range want {
			if isDir(d) != there {
				t.Errorf("%s is there: %t, want %t", filepath.Base(d), !there, there)
			}
		}
	}
	collect(time.Hour, map[string]bool{used: true, held: true, idle: true})
	collect(time.Nanosecond, map[string]bool{used: true, held: true, idle: false})
	release()
	// What an earlier process merged and nobody uses any more goes, too.
	mustDo(t, s.Close())
	s = openStore(t, where)
	collect(time.Hour, map[string]bool{used: true, held: false})
	inUse = map[string]bool{}
	collect(time.Nanosecond, map[string]bool{used: false})
	if left, err := filepath.Glob(filepath.Join(where, "trees", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestThePackagesUnpackedSizeIsThatOfItsFiles(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := put(t, s, file{name: "d/a", body: strings.Repeat("x", 1000)}, file{name: "b", body: "123"})
	if n, err := s.UnpackedBytes(p.SHA256); err != nil || n != 1003 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := s.UnpackedBytes(strings.Repeat("0", 64)); wick.KindOf(err) != wick.NotFound {
		t.Errorf("no package: %v", err)
	}
}
