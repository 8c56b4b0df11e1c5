//go:build linux

package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is a private /tmp.
type Disk struct {
	pool  *Pool
	path  string
	loop  int    // number of its loop device, -1 for a tmpfs
	size  int    // MiB
	empty int64  // bytes an empty one uses
	fresh traces // as it was made

	released bool  // guarded by the pool's mu
	err      error // how ending it went; to be read when the pool's ending is through
}

// Path is where on the host the disk is mounted.
func (d *Disk) Path() string { return d.path }

// Used is how many bytes of it are used.
func (d *Disk) Used() (int64, error) {
	n, err := used(d.path)
	if err != nil {
		return 0, fmt.Errorf("disk: %w", err)
	}
	return max(n-d.empty, 0), nil
}

func used(path string) (int64, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(path, &s)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
		return int64(s.Blocks-s.Bfree) * s.Bsize, nil
	}
}

// Release gives the disk up with all that is in it; no process that could see it may be
// left. It returns at once: unmounting goes on in the background, and Pool.Close waits
// for it. It can be called twice.
func (d *Disk) Release() error {
	p := d.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.released {
		return nil
	}
	d.released = true
	p.ending.Go(func() {
		p.endings <- struct{}{}
		defer func() { <-p.endings }()
		if p.reuse(d) {
			return
		}
		d.err = d.end()
		if d.err != nil {
			p.log.Warn("disk: can't end one", "path", d.path, "error", d.err)
		}
	})
	return nil
}

// goneWait bounds how long the end of a disk waits for the last mount of it, in some
// other mount namespace, to go.
const goneWait = 10 * time.Second

func (d *Disk) end() error {
	p := d.pool
	// Detached, it is out of the way at once; what holds it elsewhere is waited for below.
	if err := unix.Unmount(d.path, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("disk: unmount %s: %w", d.path, err)
	}
	err := os.Remove(d.path)
	if d.loop >= 0 {
		ctx, cancel := context.WithTimeout(context.Background(), goneWait)
		defer cancel()
		err = errors.Join(err, p.loops.detached(ctx, d.loop, d.path))
	}
	p.mu.Lock()
	delete(p.disks, d)
	p.mu.Unlock()
	return err
}
