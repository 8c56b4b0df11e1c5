package instance

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// folders are the host's folders with what a function brings; opt is empty when it has
// no layers.
type folders struct{ task, opt string }

// host returns where on the host a file is that an instance has in one of its folders.
func (f folders) host(inside string) (path string, ok bool) {
	if name, ok := strings.CutPrefix(inside, "/var/task/"); ok {
		return filepath.Join(f.task, name), true
	}
	if name, ok := strings.CutPrefix(inside, "/opt/"); ok && f.opt != "" {
		return filepath.Join(f.opt, name), true
	}
	return "", false
}

// tree is code that a function brings: its package, or its layers.
type tree struct {
	runtimes.Tree
	what     string   // for errors
	packages []string // of layers; nil for a function's package
}

// treesOf returns what a function brings, its package first.
func treesOf(f *wick.Function) []tree {
	all := []tree{{Tree: runtimes.Tree{Name: f.Code.SHA256, Target: "/var/task"}, what: "code"}}
	if packages := f.LayerPackages(); len(packages) > 0 {
		layers := runtimes.Tree{Name: wick.MergedLayers(packages), Target: "/opt"}
		all = append(all, tree{Tree: layers, what: "layers", packages: packages})
	}
	return all
}

// acquire returns the host's folder with it, until release is called.
func (t tree) acquire(ctx context.Context, code Code) (dir string, release func(), err error) {
	if t.packages == nil {
		return code.Acquire(ctx, t.Name)
	}
	return code.AcquireLayers(ctx, t.packages)
}

// attach mounts a function's code and its layers in the instance, with what was compiled of
// them ahead. The instance keeps both until it is stopped.
func (i *Instance) attach(ctx context.Context, f *wick.Function) (folders, error) {
	dirs := map[string]string{}
	for _, t := range treesOf(f) {
		dir, release, err := t.acquire(ctx, i.host.Code)
		if err != nil {
			return folders{}, fmt.Errorf("unpacking the %s of %s: %w", t.what, f.Name, err)
		}
		if err := i.hold(f, release); err != nil {
			return folders{}, err
		}
		if err := i.box.Attach(sandbox.Mount{Source: dir, Target: t.Target}); err != nil {
			return folders{}, fmt.Errorf("attaching the %s of %s: %w", t.what, f.Name, err)
		}
		i.attachPack(t)
		dirs[t.Target] = dir
	}
	return folders{task: dirs["/var/task"], opt: dirs["/opt"]}, nil
}

// attachPack mounts what was compiled of a tree ahead, if that has been done. Without it
// the instance only starts more slowly.
func (i *Instance) attachPack(t tree) {
	m := i.plan.Match // what it was booted with may be older than the function's
	folder := i.host.Preparer.pack(m, t)
	if folder == "" {
		return
	}
	err := i.box.Attach(sandbox.Mount{Source: folder, Target: i.host.Runtimes.PackSlot(m, t.Target)})
	if err != nil {
		i.host.Log.Warn("what was compiled ahead can't be attached", "instance", i.id, "package", t.Name, "error", err)
	}
}

// hold has Stop let go of a folder, or does so at once when the instance is being stopped.
func (i *Instance) hold(f *wick.Function, release func()) error {
	i.mu.Lock()
	stopping := i.state == wick.InstanceStopping || i.state == wick.InstanceStopped
	if !stopping {
		i.releases = append(i.releases, release)
	}
	i.mu.Unlock()
	if stopping {
		release()
		return fmt.Errorf("assigning %s: %w", f.Name, errStopped)
	}
	return nil
}
