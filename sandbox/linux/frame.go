//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// What is on a sandbox's own root, and in its /dev, is folders and files to mount other
// things at and a few lines of /etc: the same for all sandboxes of the same mounts. So they
// share the two file systems, which nobody can write to: a thousand sandboxes have two of
// them and not two thousand, each with fifty inodes and, in every control group, a place in
// the kernel's list of what it can shrink.

// entry is a folder, a file or a symbolic link of a frame.
type entry struct {
	kind entryKind
	path string
	text string // of a file, or where a link leads
}

type entryKind byte

const (
	entryFolder entryKind = 'd'
	entryFile   entryKind = 'f'
	entryLink   entryKind = 'l'
)

// entries are in the order they are made in.
type entries struct {
	all  []entry
	made map[string]bool
}

// folder adds a folder with those above it, unless it is there.
func (e *entries) folder(p string) {
	if p == "/" || e.made[p] {
		return
	}
	e.folder(path.Dir(p))
	e.add(entry{kind: entryFolder, path: p})
}

func (e *entries) add(one entry) {
	if e.made == nil {
		e.made = map[string]bool{}
	}
	e.made[one.path] = true
	e.all = append(e.all, one)
}

// key is the same for entries that make the same file system.
func (e *entries) key() string {
	var b strings.Builder
	for _, one := range e.all {
		b.WriteByte(byte(one.kind))
		b.WriteString(one.path)
		b.WriteByte(0)
		b.WriteString(one.text)
		b.WriteByte(0)
	}
	return b.String()
}

// frame is the file systems of a root and of a /dev, mounted in the server's namespace for
// sandboxes to bind them.
type frame struct {
	key   string
	dir   string // root and dev are mounted in it
	users int    // guarded by the frames' mu
}

func (f *frame) root() string { return filepath.Join(f.dir, "root") }
func (f *frame) dev() string  { return filepath.Join(f.dir, "dev") }

// idleFrames is how many are kept that no sandbox uses.
const idleFrames = 16

// frames are a driver's.
type frames struct {
	dir string

	mu   sync.Mutex // guards what follows; held while one is made, which others would wait for
	made map[string]*frame
	next int
}

// take returns the frame with these entries, which is kept until it is released.
func (s *frames) take(root, dev *entries) (*frame, error) {
	key := root.key() + "\x00" + dev.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.made[key]
	if f == nil {
		f = &frame{key: key, dir: filepath.Join(s.dir, strconv.Itoa(s.next))}
		s.next++
		if err := f.make(root, dev); err != nil {
			return nil, errors.Join(fmt.Errorf("make a root: %w", err), f.remove())
		}
		if s.made == nil {
			s.made = map[string]*frame{}
		}
		s.made[key] = f
	}
	f.users++
	return f, nil
}

// release says that one sandbox less uses a frame.
func (s *frames) release(f *frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	idle := 0
	for _, other := range s.made {
		if other.users == 0 {
			idle++
		}
	}
	if f.users > 0 || idle <= idleFrames {
		return nil
	}
	delete(s.made, f.key)
	return f.remove()
}

// close removes all. No sandbox may be left.
func (s *frames) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, f := range s.made {
		errs = append(errs, f.remove())
		delete(s.made, key)
	}
	return errors.Join(errs...)
}

func (f *frame) make(root, dev *entries) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	err := makeFrame(f.root(), "wick", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=4m,nr_inodes=4k", root)
	if err != nil {
		return err
	}
	return makeFrame(f.dev(), "wick-dev", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k,nr_inodes=64", dev)
}

// makeFrame mounts a tmpfs, fills it, and makes it, and not only its mount, read-only.
func makeFrame(at, name string, flags uintptr, options string, e *entries) error {
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(name, at, "tmpfs", flags, options); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	for _, one := range e.all {
		if err := one.make(at + one.path); err != nil {
			return err
		}
	}
	if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_RDONLY|flags, ""); err != nil {
		return fmt.Errorf("make a tmpfs read-only: %w", err)
	}
	return nil
}

// make makes it, whatever the umask.
func (one entry) make(at string) error {
	switch one.kind {
	case entryFolder:
		if err := os.Mkdir(at, 0o755); err != nil { //nolint:gosec // functions look into it
			return err
		}
		return os.Chmod(at, 0o755) //nolint:gosec // likewise
	case entryLink:
		return os.Symlink(one.text, at)
	default:
		syscall.ForkLock.RLock()                         // a process that is just being started would have the file open, too
		err := os.WriteFile(at, []byte(one.text), 0o644) //nolint:gosec // functions read it
		syscall.ForkLock.RUnlock()
		if err != nil {
			return err
		}
		return os.Chmod(at, 0o644) //nolint:gosec // likewise
	}
}

// remove unmounts what has been mounted of it. Sandboxes that still have it keep it.
func (f *frame) remove() error {
	for _, at := range []string{f.root(), f.dev()} {
		err := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		// Not mounted, or not even there.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount a root: %w", err)
		}
	}
	return os.RemoveAll(f.dir)
}

// sweepFrames unmounts what a killed run left mounted, which is only where it had no mount
// namespace of its own.
func sweepFrames(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "*", "*")) // the pattern is not malformed
	for _, at := range left {
		_ = unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // most often it isn't mounted
	}
}
