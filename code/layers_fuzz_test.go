package code

import (
	"bytes"
	"io/fs"
	"path"
	"testing"
)

// FuzzOverlay lays any two zips over one another: each path is there once, everything is
// in a folder of the plan that comes before it, and nothing of the upper one is missing.
func FuzzOverlay(f *testing.F) {
	f.Add(makeZip(f, file{name: "x/y/z", body: "1"}, file{name: "a", body: "1"}), makeZip(f, file{name: "x", body: "2"}))
	f.Add(makeZip(f, file{name: "x", body: "1"}), makeZip(f, file{name: "x/y", body: "2"}, file{name: "e/", mode: fs.ModeDir | 0o755}))
	f.Add(makeZip(f, file{name: "l", body: "x", mode: fs.ModeSymlink | 0o777}), makeZip(f, file{name: "l/y", body: "2"}))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		var plans []*plan
		for _, z := range [][]byte{lower, upper} {
			p, err := readPlan(bytes.NewReader(z), int64(len(z)))
			if err != nil {
				return
			}
			plans = append(plans, p)
		}
		merged := overlay(plans)
		folders, all := map[string]bool{".": true}, map[string]*entry{}
		for _, e := range append(merged.dirs, merged.files...) {
			if all[e.path] != nil {
				t.Fatalf("%q is there twice", e.path)
			}
			if !folders[path.Dir(e.path)] {
				t.Fatalf("%q is in no folder", e.path)
			}
			all[e.path] = e
			if e.mode.IsDir() {
				folders[e.path] = true
			}
		}
		for _, e := range append(plans[1].dirs, plans[1].files...) {
			if all[e.path] != e {
				t.Fatalf("%q of the upper one is missing", e.path)
			}
		}
	})
}
