package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wick-run/wick/runtimes"
)

// lockPoll is how often a lock that another install holds is tried again.
const lockPoll = 100 * time.Millisecond

// lock takes what is called key in the folder of installed things until unlock is called.
// The file is handed to the clients that run meanwhile: should this process be killed, the
// lock is free when they have ended, too.
func (i *Installer) lock(ctx context.Context, key string) (file *os.File, unlock func() error, err error) {
	dir := runtimes.InstalledDir(i.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // instances see what is in it
		return nil, nil, explainFolder(dir, err)
	}
	file, err = os.OpenFile(filepath.Join(dir, ".lock-"+key), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, explainFolder(dir, err)
	}
	for said := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, file.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		if !said {
			i.say("another wick is installing %s: waiting for it", key)
			said = true
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return nil, nil, errors.Join(ctx.Err(), file.Close())
		}
	}
}

func explainFolder(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s can't be written to: run this as the user that runs wick serve, or name another folder with --data-dir", dir)
	}
	return fmt.Errorf("making %s: %w", dir, err)
}

// install makes one installed thing. key names it without its version; have says whether
// what is there already is enough; fill puts it into a folder and says what it is.
func (i *Installer) install(
	ctx context.Context, key string, have func([]runtimes.Installed) *runtimes.Installed,
	fill func(t tools, files string) (runtimes.Installed, error),
) (_ *runtimes.Installed, err error) {
	if there := have(runtimes.ReadInstalled(i.Dir)); there != nil {
		return there, nil
	}
	lock, unlock, err := i.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if there := have(runtimes.ReadInstalled(i.Dir)); there != nil {
		return there, nil // whoever had the lock before has done it
	}
	dir := runtimes.InstalledDir(i.Dir)
	if err := sweep(dir, key); err != nil {
		return nil, err
	}
	at := filepath.Join(dir, newPrefix+key)
	if err := os.Mkdir(at, 0o755); err != nil { //nolint:gosec // as above
		return nil, err
	}
	defer os.RemoveAll(at) //nolint:errcheck // renamed away unless something failed; the next install sweeps
	files := filepath.Join(at, "files")
	if err := os.Mkdir(files, 0o755); err != nil { //nolint:gosec // as above
		return nil, err
	}
	made, err := fill(tools{installer: i, ctx: ctx, lock: lock, scratch: at}, files)
	if err != nil {
		return nil, err
	}
	made.Key, made.At = key, time.Now().UTC()
	// A name of its own: the one before stays until Tidy.
	made.Name = fmt.Sprintf("%s-%s-%x", key, made.Version, made.At.UnixMilli())
	made.Dir = filepath.Join(dir, made.Name)
	if err := publish(at, made); err != nil {
		return nil, err
	}
	return &made, nil
}

// newPrefix starts the names of folders that aren't complete.
const newPrefix = ".new-"

// sweep removes what an install of the same thing left that didn't come to its end. Its
// lock is held.
func sweep(dir, key string) error {
	if err := os.RemoveAll(filepath.Join(dir, newPrefix+key)); err != nil {
		return fmt.Errorf("removing what an interrupted install left: %w", err)
	}
	return nil
}

// publish makes a finished folder one that is found. It is on stable storage by then.
func publish(at string, made runtimes.Installed) error {
	data, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(at, runtimes.ManifestFile), append(data, '\n'), 0o644); err != nil { //nolint:gosec // no secret
		return err
	}
	if err := readableByAll(at); err != nil {
		return err
	}
	if err := syncAll(at); err != nil {
		return fmt.Errorf("writing %s to disk: %w", at, err)
	}
	return os.Rename(at, made.Dir)
}

// readableByAll lets instances, which run as users of their own, read a folder whatever
// the umask was.
func readableByAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		if mode == info.Mode().Perm() {
			return nil
		}
		return os.Chmod(path, mode)
	})
}

// Remove deletes what is installed. It is no longer found from the first moment on; while
// a server may run it, its files stay until the next one starts.
func (i *Installer) Remove(ctx context.Context, what runtimes.Installed) (err error) {
	_, unlock, err := i.lock(ctx, what.Key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// Half removed is as good as removed: a server that starts goes on.
	gone := filepath.Join(filepath.Dir(what.Dir), runtimes.GonePrefix+what.Name)
	if err := os.Rename(what.Dir, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody has
		}
		return explainFolder(what.Dir, err)
	}
	if i.InUse {
		i.say("%s: its files go when wick serve starts again, since instances may still be using them", what.Name)
		return nil
	}
	return os.RemoveAll(gone)
}

// Tidy removes what newer installs have replaced.
func (i *Installer) Tidy(ctx context.Context) error {
	current := map[string]bool{}
	for _, there := range runtimes.ReadInstalled(i.Dir) { // newest first
		if !current[there.Key] {
			current[there.Key] = true
			continue
		}
		if err := i.Remove(ctx, there); err != nil {
			return err
		}
	}
	return nil
}
