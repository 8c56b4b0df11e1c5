// Package process is the sandbox driver without walls, for machines that aren't Linux
// and for debugging: processes of a sandbox run as the server's own user, see the whole
// machine and have no limits. What it keeps of the contract is the life of things:
// folders to attach code to, a /tmp, everything ended by KillAll and Close. Its caller is
// cmd/wick, for --isolation process.
//
// A sandbox is a folder. A path inside, such as /var/task, is a path below that folder,
// where a link stands in for each mount; [sandbox.Sandbox.Path] tells which.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/wick-run/wick/sandbox"
)

// Driver makes sandboxes without walls.
type Driver struct {
	dir   string
	start *starter

	mu        sync.Mutex // guards what follows
	sandboxes map[string]*box
	making    sync.WaitGroup // none is added once closed
	closed    bool
	finished  chan struct{} // closed when Close is through
	closeErr  error
}

var _ sandbox.Driver = (*Driver)(nil)

// New opens the driver in dir, which is its own: folders of sandboxes that a killed
// predecessor left there are deleted.
func New(dir string) (*Driver, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !validID.MatchString(e.Name()) {
			continue
		}
		if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("sandbox: leftover %s: %w", e.Name(), err)
		}
	}
	closeOnExec()
	return &Driver{dir: dir, start: newStarter(), sandboxes: map[string]*box{}, finished: make(chan struct{})}, nil
}

// closeOnExec keeps from functions what this process has got from the one that started
// it without asking for it. What it opens itself is marked so already.
func closeOnExec() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil { // a system without: nothing to go by
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// Name is "process".
func (d *Driver) Name() string { return "process" }

// Gaps lists what is not there, which is most.
func (d *Driver) Gaps() []string {
	gaps := []string{
		"no walls: functions run as the user wick runs as, and can read, write and reach all that user can; run only code you trust, or use Linux",
		"no memory limit: a function may use more than its MemorySize, and is not ended for it",
		"no CPU limit: a function has as much CPU as the machine gives it, whatever its MemorySize",
		"no limit on processes and threads",
		"no limit on /tmp: it is a folder on this machine's disk",
		"functions see this machine's file system: /var/task, /opt and /tmp are folders elsewhere, told in LAMBDA_TASK_ROOT and TMPDIR; paths written into code as /tmp or /opt miss them, and layers in /opt are found by the paths Wick sets only",
		"mounts are links and can be written to",
		"the Runtime API listens on this machine's 127.0.0.1, for every process to reach",
		"idle functions are stopped with SIGSTOP, which their parents are told of, not frozen",
	}
	if runtime.GOOS != "linux" {
		gaps = append(gaps,
			"memory and CPU time of running functions aren't measured",
			"a process that leaves its process group outlives its sandbox")
	} else {
		gaps = append(gaps, "a process that leaves its session and drops its environment, and whose parent has ended, outlives its sandbox")
	}
	return gaps
}

// validID is what sandbox.Spec says an ID is.
var validID = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// Create makes a sandbox: its folder, and links for its mounts.
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if !validID.MatchString(spec.ID) {
		return nil, fmt.Errorf("sandbox: %q is no ID: 1 to 32 of a-z and 0-9", spec.ID)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sandbox %s: %w", spec.ID, err)
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, fmt.Errorf("sandbox %s: driver is closed: %w", spec.ID, fs.ErrClosed)
	}
	if d.sandboxes[spec.ID] != nil {
		d.mu.Unlock()
		return nil, fmt.Errorf("sandbox %s: %w", spec.ID, fs.ErrExist)
	}
	b := newBox(d, spec.ID)
	d.sandboxes[spec.ID] = b
	d.making.Add(1)
	d.mu.Unlock()
	defer d.making.Done()

	if err := b.furnish(spec); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox %s: %w", spec.ID, err), b.Close())
	}
	return b, nil
}

// forget drops a sandbox that is gone.
func (d *Driver) forget(b *box) {
	d.mu.Lock()
	if d.sandboxes[b.id] == b {
		delete(d.sandboxes, b.id)
	}
	d.mu.Unlock()
}

// Close ends every sandbox. It can be called twice.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		<-d.finished
		return d.closeErr
	}
	d.closed = true
	d.mu.Unlock()
	defer close(d.finished)

	d.making.Wait()
	d.mu.Lock()
	left := make([]*box, 0, len(d.sandboxes))
	for _, b := range d.sandboxes {
		left = append(left, b)
	}
	d.mu.Unlock()
	var errs []error
	for _, b := range left {
		errs = append(errs, b.Close())
	}
	d.start.close()
	d.closeErr = errors.Join(errs...)
	return d.closeErr
}

// removeAll deletes a folder, also one whose owner took its own permissions away.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	// What can't be changed shows as the error of the second try.
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
