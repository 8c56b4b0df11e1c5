package code

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/wick-run/wick"
)

// AcquireLayers is Acquire for packages laid over one another: a folder with the files
// of all of them, where those of a later one take the place of an earlier one's. It is
// made once for each list, of hard links to the packages' own folders, and there must be
// one package at least.
func (s *Store) AcquireLayers(ctx context.Context, packages []string) (dir string, release func(), err error) {
	merged := wick.MergedLayers(packages)
	if len(packages) < 2 {
		return s.Acquire(ctx, merged)
	}
	return s.acquire(ctx, merged, func() error { return s.merge(merged, packages) })
}

// DirOfLayers is Dir for what AcquireLayers makes; nothing is to be done for no layers.
func (s *Store) DirOfLayers(ctx context.Context, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	_, release, err := s.AcquireLayers(ctx, packages)
	if err != nil {
		return err
	}
	release()
	return nil
}

// UnpackedBytes returns how large a package's files are together. NotFound if there is
// no such package.
func (s *Store) UnpackedBytes(sha string) (int64, error) {
	f, p, err := s.openPlan(sha)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, e := range p.files {
		total += int64(e.zip.UncompressedSize64) //nolint:gosec // readPlan bounds them
	}
	return total, f.Close()
}

// merge makes sure that the folder of packages laid over one another is there and whole.
func (s *Store) merge(merged string, packages []string) (err error) {
	plans := make([]*plan, len(packages))
	for i, sha := range packages {
		dir, release, err := s.Acquire(context.Background(), sha)
		if err != nil {
			return err
		}
		defer release()
		f, p, err := s.openPlan(sha)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		for _, e := range slices.Concat(p.files, p.dirs) {
			e.from = dir
		}
		plans[i] = p
	}
	return s.unpack(merged, overlay(plans))
}

// overlay returns the plan of a folder that has the entries of all plans. What a later
// one has takes the place of what an earlier one has there; where one has a folder and
// the other something else, all of the earlier one's below goes.
func overlay(plans []*plan) *plan {
	merged := &plan{}
	taken := map[string]*entry{}
	for _, p := range slices.Backward(plans) {
		for _, e := range slices.Concat(p.dirs, p.files) {
			if taken[e.path] != nil || belowFile(taken, e.path) {
				continue
			}
			taken[e.path] = e
			if e.mode.IsDir() {
				merged.dirs = append(merged.dirs, e)
			} else {
				merged.files = append(merged.files, e)
			}
		}
	}
	// Parents come first.
	slices.SortFunc(merged.dirs, func(a, b *entry) int { return cmp.Compare(a.path, b.path) })
	return merged
}

// belowFile says whether something on the way to a path is taken by no folder.
func belowFile(taken map[string]*entry, at string) bool {
	for dir := path.Dir(at); dir != "."; dir = path.Dir(dir) {
		if e := taken[dir]; e != nil && !e.mode.IsDir() {
			return true
		}
	}
	return false
}

// link makes an entry of another folder appear below root, too. Where the file system
// has no such links the entry is unpacked again.
func (e *entry) link(root string) (linked bool) {
	name := filepath.FromSlash(e.path)
	return e.from != "" && os.Link(filepath.Join(e.from, name), filepath.Join(root, name)) == nil
}

// collectMerged removes folders that belong to no package and aren't in inUse.
func (s *Store) collectMerged(ctx context.Context, inUse map[string]bool) error {
	trees, err := os.ReadDir(filepath.Join(s.dir, "trees"))
	if err != nil {
		return fmt.Errorf("collect packages: %w", err)
	}
	for _, t := range trees {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := t.Name()
		if !validSHA(name) || inUse[name] {
			continue
		}
		if _, err := os.Stat(s.zip(name)); !errors.Is(err, fs.ErrNotExist) {
			continue // a package's own: it goes with that
		}
		if _, err := s.remove(name, s.o.Grace); err != nil {
			return err
		}
	}
	return nil
}
