package code

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wick-run/wick"
)

// Dir returns the folder a package is unpacked in, unpacking it if that hasn't been
// done, or was done in another run of the machine (a power cut may have lost some of
// it), or if something of it is missing. Everything in it belongs to the process's
// user and is readable by all. Callers on the host must not follow links in it.
//
// NotFound if there is no such package; AWS's words as an InvalidParameter if it
// can't be unpacked. Concurrent callers unpack once. A caller that leaves early
// doesn't stop the unpacking for the others.
func (s *Store) Dir(ctx context.Context, sha string) (string, error) {
	dir, release, err := s.Acquire(ctx, sha)
	if err != nil {
		return "", err
	}
	release()
	return dir, nil
}

// Acquire is Dir for as long as the folder is in use: until release is called, which
// may be done more than once, the package isn't collected.
func (s *Store) Acquire(ctx context.Context, sha string) (dir string, release func(), err error) {
	if !validSHA(sha) {
		return "", nil, wick.Errorf(wick.NotFound, "no such package: %s", sha)
	}
	return s.acquire(ctx, sha, func() error { return s.prepare(sha) })
}

// acquire returns the folder of that name, having prepare make it if need be.
func (s *Store) acquire(ctx context.Context, sha string, prepare func() error) (dir string, release func(), err error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return "", nil, ErrClosed
		}
		t := s.entry(sha)
		if t.busy == nil {
			if t.ready && isDir(s.tree(sha)) {
				t.holders++
				t.used = time.Now()
				s.mu.Unlock()
				return s.tree(sha), s.releaser(t), nil
			}
			s.startUnpacking(sha, t, prepare)
		}
		busy := t.busy
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
		s.mu.Lock()
		err := t.err
		s.mu.Unlock()
		if err != nil {
			return "", nil, err
		}
	}
}

// releaser returns the function that ends one hold on a package.
func (s *Store) releaser(t *tree) func() {
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.holders--
		t.used = time.Now()
	})
}

// startUnpacking has a goroutine prepare a folder; s.mu is held.
func (s *Store) startUnpacking(sha string, t *tree, prepare func() error) {
	t.busy, t.ready, t.err = make(chan struct{}), false, nil
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		err := prepare()
		s.mu.Lock()
		defer s.mu.Unlock()
		t.ready, t.err = err == nil, err
		if err != nil {
			delete(s.trees, sha) // whoever comes next tries afresh
		}
		close(t.busy)
		t.busy = nil
	}()
}

// prepare makes sure that a package's folder is there and whole.
func (s *Store) prepare(sha string) error {
	f, p, err := s.openPlan(sha)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	return s.unpack(sha, p)
}

// openPlan opens a package and reads what it unpacks to; the plan is of use until the
// caller closes the file.
func (s *Store) openPlan(sha string) (*os.File, *plan, error) {
	f, err := s.Open(sha)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("unpack package: %w", err), f.Close())
	}
	p, err := readPlan(f, info.Size())
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, p, nil
}

// unpack makes the folder of that name what the plan says, unless it is already.
func (s *Store) unpack(sha string, p *plan) error {
	if s.whole(sha, p) {
		return nil
	}
	if err := s.dropTree(sha); err != nil {
		return fmt.Errorf("unpack package: %w", err)
	}
	tmp, err := os.MkdirTemp(s.tmp(), "tree-*")
	if err != nil {
		return fmt.Errorf("unpack package: %w", err)
	}
	err = p.write(tmp)
	if err == nil {
		err = s.publish(tmp, sha)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// publish moves a finished folder to its place. The note of the boot comes first: a
// folder that is there without one counts as unfinished.
func (s *Store) publish(tmp, sha string) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("unpack package: %w", err)
	}
	if err := os.WriteFile(s.tree(sha)+".boot", []byte(s.boot), 0o644); err != nil {
		return fmt.Errorf("unpack package: %w", err)
	}
	if err := os.Rename(tmp, s.tree(sha)); err != nil {
		return fmt.Errorf("unpack package: %w", err)
	}
	return nil
}

// whole says whether a package's folder was unpacked in this run of the machine and
// still has every entry, of the right kind and size.
func (s *Store) whole(sha string, p *plan) bool {
	boot, err := os.ReadFile(s.tree(sha) + ".boot")
	if err != nil || s.boot == "" || string(boot) != s.boot {
		return false
	}
	root := s.tree(sha)
	for _, e := range append(p.dirs, p.files...) {
		info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(e.path)))
		if err != nil || info.Mode().Type() != e.mode.Type() {
			return false
		}
		if e.mode.IsRegular() && (info.Size() != int64(e.zip.UncompressedSize64) || info.Mode().Perm() != e.mode.Perm()) {
			return false
		}
	}
	return isDir(root)
}

// dropTree removes a package's folder: first out of the way, so that a crash leaves
// none that looks complete.
func (s *Store) dropTree(sha string) error {
	if err := os.Remove(s.tree(sha) + ".boot"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.MkdirTemp(s.tmp(), "old-*")
	if err != nil {
		return err
	}
	if err := os.Rename(s.tree(sha), filepath.Join(tmp, sha)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.RemoveAll(tmp)
}

// write unpacks into an empty folder. Links come last: until then no path leads
// through one.
func (p *plan) write(root string) error {
	for _, d := range p.dirs {
		if err := os.Mkdir(filepath.Join(root, filepath.FromSlash(d.path)), 0o755); err != nil {
			return failedEntry(d, err)
		}
	}
	if err := p.writeFiles(root); err != nil {
		return err
	}
	for _, e := range p.files {
		if e.mode&fs.ModeSymlink != 0 {
			if err := writeLink(root, e); err != nil {
				return failedEntry(e, err)
			}
		}
	}
	// Children before parents, and after all files: writing one changes its folder's time.
	for i := len(p.dirs) - 1; i >= 0; i-- {
		d := p.dirs[i]
		name := filepath.Join(root, filepath.FromSlash(d.path))
		if err := os.Chmod(name, d.mode.Perm()); err != nil { // whatever the umask
			return failedEntry(d, err)
		}
		if d.modTime.IsZero() {
			continue
		}
		if err := os.Chtimes(name, d.modTime, d.modTime); err != nil {
			return failedEntry(d, err)
		}
	}
	return nil
}

// writeFiles unpacks the regular files, on as many processors as there are.
func (p *plan) writeFiles(root string) error {
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), 8, len(p.files)) {
		g.Go(func() error {
			buf := make([]byte, 128<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(p.files) {
					return nil
				}
				e := p.files[i]
				if !e.mode.IsRegular() {
					continue
				}
				if err := writeFile(root, e, buf); err != nil {
					next.Store(int64(len(p.files))) // the others needn't go on
					return failedEntry(e, err)
				}
			}
		})
	}
	return g.Wait()
}

// writeFile unpacks one file; the zip reader checks its size and CRC.
func writeFile(root string, e *entry, buf []byte) (err error) {
	if e.link(root) {
		return nil
	}
	r, err := e.zip.Open()
	if err != nil {
		return badEntry(err)
	}
	defer r.Close() // only read
	name := filepath.Join(root, filepath.FromSlash(e.path))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = cerr
		}
		if err == nil && !e.modTime.IsZero() {
			err = os.Chtimes(name, e.modTime, e.modTime)
		}
	}()
	// The declared sizes were summed up; a file that grows beyond its own is a bomb.
	left := int64(e.zip.UncompressedSize64)
	for {
		n, rerr := r.Read(buf)
		if left -= int64(n); left < 0 {
			return badEntry(errors.New("larger than declared"))
		}
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return badEntry(rerr)
		}
	}
	if left != 0 {
		return badEntry(io.ErrUnexpectedEOF)
	}
	return f.Chmod(e.mode.Perm())
}

func writeLink(root string, e *entry) error {
	target, err := readLink(e.zip)
	if err != nil {
		return badEntry(err)
	}
	if err := checkLink(e.path, target); err != nil {
		return badEntry(err)
	}
	return os.Symlink(target, filepath.Join(root, filepath.FromSlash(e.path)))
}

// readLink returns the target of a symbolic link in a zip.
func readLink(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close() // only read
	target, err := io.ReadAll(io.LimitReader(r, maxLinkBytes+1))
	if err != nil {
		return "", err
	}
	if len(target) > maxLinkBytes {
		return "", errors.New("symbolic link with too long a target")
	}
	return string(target), nil
}

// badZipError marks a failure that is the zip's fault, not the disk's.
type badZipError struct{ error }

func (b badZipError) Unwrap() error { return b.error }

func badEntry(err error) error { return badZipError{err} }

// failedEntry puts an entry's failure into AWS's words when the zip is to blame.
func failedEntry(e *entry, err error) error {
	var bad badZipError
	if errors.As(err, &bad) {
		return invalidZip(fmt.Errorf("entry %q: %w", e.path, bad.error))
	}
	return fmt.Errorf("unpack %s: %w", path.Base(e.path), err)
}

func isDir(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}
