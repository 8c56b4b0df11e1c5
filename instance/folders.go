package instance

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/wick-run/wick"
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

// attach mounts a function's code and its layers in the instance. The instance keeps
// both until it is stopped.
func (i *Instance) attach(ctx context.Context, f *wick.Function) (folders, error) {
	task, release, err := i.host.Code.Acquire(ctx, f.Code.SHA256)
	if err != nil {
		return folders{}, fmt.Errorf("unpacking the code of %s: %w", f.Name, err)
	}
	if err := i.hold(f, release); err != nil {
		return folders{}, err
	}
	if err := i.box.Attach(sandbox.Mount{Source: task, Target: "/var/task"}); err != nil {
		return folders{}, fmt.Errorf("attaching the code of %s: %w", f.Name, err)
	}
	if len(f.Layers) == 0 {
		return folders{task: task}, nil
	}
	opt, release, err := i.host.Code.AcquireLayers(ctx, f.LayerPackages())
	if err != nil {
		return folders{}, fmt.Errorf("unpacking the layers of %s: %w", f.Name, err)
	}
	if err := i.hold(f, release); err != nil {
		return folders{}, err
	}
	if err := i.box.Attach(sandbox.Mount{Source: opt, Target: "/opt"}); err != nil {
		return folders{}, fmt.Errorf("attaching the layers of %s: %w", f.Name, err)
	}
	return folders{task: task, opt: opt}, nil
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
