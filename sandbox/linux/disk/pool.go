//go:build linux

package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// AheadMB is the size of the disks made ahead: that of /tmp when a function's
// configuration has no EphemeralStorage. Source: Lambda API, EphemeralStorage.
const AheadMB = 512

// Options describe a [Pool].
type Options struct {
	// ID tells one Wick on the machine from another. Loop devices show it.
	ID string
	// Dir is the pool's own folder, made when missing: mount points and, for a moment,
	// images are in it, and Open deletes what it finds there. It may not be on a
	// file system mounted nodev where /dev has no loop devices.
	Dir string
	// Ahead is how many disks of AheadMB are kept ready.
	Ahead int
	// Log takes what fails in the background; nil is slog.Default.
	Log *slog.Logger
}

// Pool makes disks and holds those that are in use.
type Pool struct {
	id, dir string
	ahead   int
	log     *slog.Logger
	images  images

	probed chan struct{} // closed when the following are known, and constant from then on
	loops  *loops        // nil: disks are tmpfs
	gaps   []string

	stop    context.CancelFunc // ends the filling
	filling sync.WaitGroup
	ending  sync.WaitGroup // of disks; all of them are released before it is waited for
	endings chan struct{}  // bounds how many end at a time
	wanted  chan struct{}  // that a ready disk was taken
	seq     atomic.Int64

	mu       sync.Mutex // guards what follows
	ready    []*Disk
	disks    map[*Disk]struct{}
	making   sync.WaitGroup // Takes under way; none is added once closed
	closed   bool
	finished chan struct{} // closed when Close is through
	closeErr error
}

// endsAtATime is how many disks are unmounted at a time. Each takes a thread while the
// kernel writes back what is left, so a thousand at once would take a thousand.
const endsAtATime = 4

// Open opens a pool in o.Dir, after unmounting, detaching and deleting what a killed
// predecessor left there. In the background it makes the first disk to see that it can;
// when it can't, disks are tmpfs and Gaps says why.
func Open(o Options) (*Pool, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // as the list of mounts has it
	}
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	if err := sweep(dir); err != nil {
		return nil, fmt.Errorf("disk: leftovers in %s: %w", dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{
		id: o.ID, dir: dir, ahead: max(o.Ahead, 0), log: o.Log,
		stop: stop, wanted: make(chan struct{}, 1),
		endings: make(chan struct{}, endsAtATime),
		disks:   map[*Disk]struct{}{}, finished: make(chan struct{}),
		probed: make(chan struct{}),
	}
	p.filling.Go(func() {
		p.probe(ctx)
		close(p.probed)
		p.fill(ctx)
	})
	return p, nil
}

// probe makes a disk, to know whether that works here.
func (p *Pool) probe(ctx context.Context) {
	var err error
	if p.loops, err = openLoops(p.id, p.dir); err == nil {
		var first *Disk
		if first, err = p.make(ctx, AheadMB); err == nil {
			p.mu.Lock()
			p.ready = append(p.ready, first)
			p.mu.Unlock()
			return
		}
		err = errors.Join(err, p.loops.close())
		p.loops = nil
	}
	p.gaps = append(p.gaps, fmt.Sprintf(
		"/tmp of functions is in memory and counts as theirs (%v): run wick as root, with e2fsprogs installed and loop devices permitted", err))
}

// Gaps says, a line each, what can't be done here and what to do about it, once that is
// known.
func (p *Pool) Gaps() []string {
	<-p.probed
	return slices.Clone(p.gaps)
}

// Take gives an empty file system with room for sizeMB MiB, mounted read-write, nosuid
// and nodev at Disk.Path. Its root folder belongs to uid and gid, for nobody else to
// enter. One that was made ahead takes well under a millisecond, another some
// milliseconds. After Close it fails with [fs.ErrClosed].
func (p *Pool) Take(ctx context.Context, sizeMB, uid, gid int) (*Disk, error) {
	if sizeMB <= 0 {
		return nil, fmt.Errorf("disk: a size of %d MB", sizeMB)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("disk: pool is closed: %w", fs.ErrClosed)
	}
	p.making.Add(1)
	p.mu.Unlock()
	defer p.making.Done()
	select {
	case <-p.probed:
	case <-ctx.Done():
		return nil, fmt.Errorf("disk: %w", ctx.Err())
	}
	p.mu.Lock()
	var d *Disk
	if sizeMB == AheadMB && len(p.ready) > 0 {
		d = p.ready[len(p.ready)-1]
		p.ready = p.ready[:len(p.ready)-1]
	}
	p.mu.Unlock()

	if d == nil {
		var err error
		if d, err = p.make(ctx, sizeMB); err != nil {
			return nil, fmt.Errorf("disk: make one of %d MB: %w", sizeMB, err)
		}
	} else {
		p.want()
	}
	if err := errors.Join(os.Chown(d.path, uid, gid), os.Chmod(d.path, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("disk: %w", err), d.Release())
	}
	return d, nil
}

// want wakes the filling.
func (p *Pool) want() {
	select {
	case p.wanted <- struct{}{}:
	default: // it has been told
	}
}

// fillRetry is the pause after a disk that couldn't be made ahead: most often the file
// system is full.
const fillRetry = time.Second

// fillAfter is how long a new pool has but the disk that showed that they can be made:
// the first sandboxes, whose start the others would delay, make what they lack themselves.
const fillAfter = 250 * time.Millisecond

// fill keeps p.ahead disks ready, making one at a time, until ctx ends.
func (p *Pool) fill(ctx context.Context) {
	pause(ctx, fillAfter)
	for ctx.Err() == nil {
		p.mu.Lock()
		missing := p.ahead - len(p.ready)
		p.mu.Unlock()
		if missing <= 0 {
			select {
			case <-ctx.Done():
			case <-p.wanted:
			}
			continue
		}
		d, err := p.make(ctx, AheadMB)
		if err != nil {
			if ctx.Err() == nil {
				p.log.Warn("disk: can't make a /tmp ahead", "dir", p.dir, "error", err)
			}
			pause(ctx, fillRetry)
			continue
		}
		p.mu.Lock()
		p.ready = append(p.ready, d)
		p.mu.Unlock()
	}
}

// make makes a disk and registers it.
func (p *Pool) make(ctx context.Context, sizeMB int) (*Disk, error) {
	d := &Disk{pool: p, size: sizeMB, path: filepath.Join(p.dir, "tmp"+strconv.FormatInt(p.seq.Add(1), 10)), loop: -1}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		return nil, err
	}
	var err error
	if p.loops == nil {
		err = mountTmpfs(d.path, sizeMB)
	} else {
		err = p.mountImage(ctx, d, sizeMB)
	}
	if err == nil {
		// What an empty one uses is not the sandbox's.
		d.empty, err = used(d.path)
		if err == nil && d.loop >= 0 {
			d.fresh, err = tracesOf(d.path)
		}
		if err != nil {
			err = errors.Join(err, unix.Unmount(d.path, unix.MNT_DETACH))
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(d.path))
	}
	p.mu.Lock()
	p.disks[d] = struct{}{}
	p.mu.Unlock()
	return d, nil
}

// mountImage makes the image of a disk and mounts it.
func (p *Pool) mountImage(ctx context.Context, d *Disk, sizeMB int) error {
	template, err := p.images.template(ctx, p.dir, sizeMB)
	if err != nil {
		return err
	}
	path := d.path + ".img"
	image, err := template.write(path)
	if err != nil {
		return err
	}
	device, n, err := p.loops.attach(ctx, image, filepath.Base(d.path))
	// The device holds the file by now, or nobody needs it.
	err = errors.Join(err, image.Close(), os.Remove(path))
	if err != nil {
		if device != nil {
			err = errors.Join(err, device.Close())
		}
		return err
	}
	// noinit_itable: or a kernel thread would fill the file with empty inode tables.
	err = unix.Mount(device.Name(), d.path, "ext4", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME,
		"discard,nobarrier,noinit_itable")
	if err != nil {
		return errors.Join(fmt.Errorf("mount %s: %w", device.Name(), err), device.Close())
	}
	// From here on the mount is what holds the device.
	err = errors.Join(device.Close(), os.Remove(filepath.Join(d.path, "lost+found")))
	if err != nil {
		return errors.Join(err, unix.Unmount(d.path, unix.MNT_DETACH))
	}
	d.loop = n
	return nil
}

// inodesPerMB is how many files a tmpfs of a MB holds: as many as an ext4 has inodes.
const inodesPerMB = (1 << 20) / bytesPerInode

func mountTmpfs(path string, sizeMB int) error {
	options := fmt.Sprintf("size=%dm,nr_inodes=%d,mode=700", sizeMB, max(sizeMB*inodesPerMB, 1024))
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}

// Close ends all disks, also those still taken, and returns when their mounts, loop
// devices and files are gone. It can be called twice.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.finished
		return p.closeErr
	}
	p.closed = true
	p.mu.Unlock()
	defer close(p.finished)

	p.stop()
	p.filling.Wait()
	p.making.Wait()
	p.mu.Lock()
	left := make([]*Disk, 0, len(p.disks))
	for d := range p.disks {
		left = append(left, d)
	}
	p.mu.Unlock()
	for _, d := range left {
		_ = d.Release() // begins it, which can't fail
	}
	p.ending.Wait()
	var errs []error
	for _, d := range left {
		errs = append(errs, d.err)
	}
	if p.loops != nil {
		errs = append(errs, p.loops.close())
	}
	p.closeErr = errors.Join(errs...)
	return p.closeErr
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// ours says whether name is one that make gives.
func ours(name string) bool {
	return strings.HasPrefix(name, "tmp") || name == devFolder
}
