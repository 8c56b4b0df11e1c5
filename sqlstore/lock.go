package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/wick-run/wick"
)

// lockFile is the file in a data directory whose lock stands for the directory. It
// holds the owner's process ID, and stays when the owner is gone: only the kernel's
// lock counts, so nothing is left to clean up after a crash.
const lockFile = "wick.lock"

// Lock takes a data directory for this process, making it when it isn't there, until
// unlock is called or the process ends in whatever way. unlock can be called twice.
func Lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, notWritable(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	if err := flock(f); err != nil {
		owner := readOwner(f)
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, wick.Errorf(wick.Internal, "the data directory %s is in use by another wick%s: stop it or choose another with --data-dir", dir, owner)
		}
		return nil, fmt.Errorf("locking the data directory %s: %w", dir, err)
	}
	if err := writeOwner(f); err != nil {
		_ = f.Close() // the error to tell is the first
		return nil, notWritable(dir, err)
	}
	return sync.OnceValue(f.Close), nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writeOwner(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readOwner returns " (pid N)", or nothing when the owner has not written it yet.
func readOwner(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
