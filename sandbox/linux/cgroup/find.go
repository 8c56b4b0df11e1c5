//go:build linux

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// machine is where a tree looks for control groups. Tests have folders of their own.
type machine struct {
	mountinfo string   // the mounts, as in /proc/self/mountinfo
	self      string   // this process's groups, as in /proc/self/cgroup
	v2        []string // the controllers of version 2 to use
}

var system = machine{mountinfo: "/proc/self/mountinfo", self: "/proc/self/cgroup", v2: v2Controllers}

// find makes the hierarchy of the version this machine uses. On one that mounts both,
// version 2 is used when it has the memory controller.
func (on machine) find(name string) (hierarchy, error) {
	mounts, err := on.mounts()
	if err != nil {
		return nil, err
	}
	own, err := on.own()
	if err != nil {
		return nil, err
	}
	var unified string // this process's group in version 2
	v1 := map[string]string{}
	for _, m := range mounts {
		switch m.FSType {
		case "cgroup2":
			if dir, ok := inMount(m, own[""]); ok && unified == "" {
				unified = dir
			}
		case "cgroup":
			for _, c := range strings.Split(m.VFSOptions, ",") {
				if _, known := v1[c]; known || !slices.Contains(v1Controllers, c) {
					continue
				}
				if dir, ok := inMount(m, own[c]); ok {
					v1[c] = dir
				}
			}
		}
	}
	if unified != "" && (len(v1) == 0 || hasMemory(unified)) {
		return newV2(on, unified, topOf(mounts, unified), name)
	}
	if len(v1) > 0 {
		return newV1(on, v1, name)
	}
	return none{}, nil
}

func (on machine) mounts() ([]*mountinfo.Info, error) {
	f, err := os.Open(on.mountinfo)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return mountinfo.GetMountsFromReader(f, func(i *mountinfo.Info) (skip, stop bool) {
		return i.FSType != "cgroup" && i.FSType != "cgroup2", false
	})
}

// own are the paths of this process's groups by controller; version 2 is "".
func (on machine) own() (map[string]string, error) {
	text, err := os.ReadFile(on.self)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without control groups
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for line := range strings.Lines(string(text)) {
		// hierarchy-ID:controller,controller:path
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s: can't read line %q", on.self, line)
		}
		for _, c := range strings.Split(parts[1], ",") {
			paths[c] = parts[2]
		}
	}
	return paths, nil
}

// inMount is the folder of the group path in mount m. A container may see but a part
// of the hierarchy (the mount's root), or have a group above what its namespace shows
// (a path that starts with /..): the mount point itself is the best it can have then.
func inMount(m *mountinfo.Info, path string) (string, bool) {
	if path == "" {
		return "", false
	}
	if strings.HasPrefix(path, "/..") {
		return m.Mountpoint, true
	}
	rel, err := filepath.Rel(m.Root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		rel = "."
	}
	dir := filepath.Join(m.Mountpoint, rel)
	if _, err := os.Stat(dir); err != nil {
		return "", false
	}
	return dir, true
}

// topOf is the mount point that dir is in.
func topOf(mounts []*mountinfo.Info, dir string) string {
	top := ""
	for _, m := range mounts {
		if m.FSType == "cgroup2" && within(dir, m.Mountpoint) && len(m.Mountpoint) > len(top) {
			top = m.Mountpoint
		}
	}
	return top
}

func within(dir, top string) bool {
	return dir == top || strings.HasPrefix(dir, strings.TrimSuffix(top, "/")+"/")
}

func hasMemory(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	return err == nil && slices.Contains(strings.Fields(string(text)), "memory")
}

// strays are the folders of that name in the hierarchies, but for the tree's own.
func (on machine) strays(ctx context.Context, name string, own []string) []string {
	mounts, err := on.mounts()
	if err != nil { // find has read them before, and would have said
		return nil
	}
	var found []string
	for _, m := range mounts {
		// What the walk can't enter is gone, or another's.
		_ = filepath.WalkDir(m.Mountpoint, func(path string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return fs.SkipAll
			}
			if err != nil {
				return fs.SkipDir
			}
			if !e.IsDir() {
				return nil
			}
			if e.Name() == name && !slices.Contains(own, path) {
				found = append(found, path)
			}
			if strings.HasPrefix(e.Name(), "wick-") {
				return fs.SkipDir
			}
			return nil
		})
	}
	return found
}

// mkdirShared makes a folder that may be there.
func mkdirShared(dir string) error {
	if err := os.Mkdir(dir, 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
