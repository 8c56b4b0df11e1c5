package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// box is a sandbox of this driver.
type box struct {
	driver *Driver
	id     string
	dir    string // all it has on disk

	mu       sync.Mutex         // guards what follows
	places   map[string]string  // target inside to the path here
	slots    map[string]bool    // target of a slot to whether it has been attached
	running  map[*proc]struct{} // started and not known to be gone with all its session
	spent    time.Duration      // CPU time of those that are
	peak     int64              // most memory Usage has seen since ResetPeak
	closed   bool
	finished chan struct{} // closed when Close is through
	closeErr error
}

func newBox(d *Driver, id string) *box {
	return &box{
		driver: d, id: id, dir: filepath.Join(d.dir, id),
		places: map[string]string{}, slots: map[string]bool{},
		running: map[*proc]struct{}{}, finished: make(chan struct{}),
	}
}

// furnish makes the folders and links.
func (b *box) furnish(spec sandbox.Spec) error {
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return err
	}
	mounts := slices.Clone(spec.Mounts)
	for _, slot := range spec.Slots {
		mounts = append(mounts, sandbox.Mount{Target: slot})
	}
	// A target comes before those below it.
	slices.SortStableFunc(mounts, func(a, b sandbox.Mount) int { return len(a.Target) - len(b.Target) })
	tmp, err := b.place("/tmp")
	if err == nil {
		err = os.Mkdir(tmp, 0o700)
	}
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.Source == "" {
			m.Source = filepath.Join(b.dir, "empty"+strconv.Itoa(len(b.slots)))
			if err := makeSlot(m, spec.Folders); err != nil {
				return err
			}
			b.slots[path.Clean(m.Target)] = false
		} else if _, err := os.Stat(m.Source); err != nil {
			return err
		}
		at, err := b.place(m.Target)
		if err != nil {
			return err
		}
		if err := os.Symlink(m.Source, at); err != nil {
			return err
		}
	}
	return nil
}

// makeSlot makes the folder that a slot is until something is attached, with the folders
// that are to be in it.
func makeSlot(slot sandbox.Mount, folders []string) error {
	if err := os.Mkdir(slot.Source, 0o700); err != nil {
		return err
	}
	for _, f := range folders {
		if name, ok := strings.CutPrefix(path.Clean(f), path.Clean(slot.Target)+"/"); ok {
			if err := os.MkdirAll(filepath.Join(slot.Source, name), 0o700); err != nil {
				return err
			}
		}
	}
	return os.Chmod(slot.Source, 0o500)
}

// place decides where a target is and makes the folder that it goes in. One below another
// target can't be below it here, where that is a link to the source: it has a folder of
// its own.
func (b *box) place(target string) (string, error) {
	if !path.IsAbs(target) || path.Clean(target) == "/" {
		return "", fmt.Errorf("%q is no target of a mount", target)
	}
	target = path.Clean(target)
	if _, ok := b.places[target]; ok {
		return "", fmt.Errorf("%s: two mounts there", target)
	}
	root := filepath.Join(b.dir, "root")
	for other := range b.places {
		if strings.HasPrefix(target, other+"/") {
			root = filepath.Join(b.dir, "inner"+strconv.Itoa(len(b.places)))
		}
	}
	at := filepath.Join(root, filepath.FromSlash(target))
	b.places[target] = at
	return at, os.MkdirAll(filepath.Dir(at), 0o700)
}

func (b *box) ID() string { return b.id }

// Path is the path here of what is in /tmp, a mount or a slot; others are the machine's.
func (b *box) Path(inside string) string {
	inside = path.Clean("/" + inside)
	if strings.HasPrefix(inside, b.dir+"/") { // it has been here before
		return inside
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for target := inside; target != "/"; target = path.Dir(target) {
		if at, ok := b.places[target]; ok {
			return filepath.Join(at, strings.TrimPrefix(inside, target))
		}
	}
	return inside
}

func (b *box) Attach(m sandbox.Mount) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	target := path.Clean(m.Target)
	attached, ok := b.slots[target]
	switch {
	case b.closed:
		return b.errorf("attach %s: %w", m.Target, fs.ErrClosed)
	case !ok:
		return b.errorf("attach %s: it is no slot", m.Target)
	case attached:
		return b.errorf("attach %s: it is attached", m.Target)
	}
	if _, err := os.Stat(m.Source); err != nil {
		return b.errorf("attach %s: %w", m.Target, err)
	}
	// The new link takes the old one's place at once: nobody finds none.
	at := b.places[target]
	if err := os.Symlink(m.Source, at+".new"); err != nil {
		return b.errorf("attach %s: %w", m.Target, err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		return b.errorf("attach %s: %w", m.Target, err)
	}
	b.slots[target] = true
	return nil
}

// Limit does nothing: see Driver.Gaps.
func (b *box) Limit(sandbox.Limits) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.errorf("limit: %w", fs.ErrClosed)
	}
	return nil
}

func (b *box) Listen(network, address string) (net.Listener, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, b.errorf("listen on %s %s: not tcp", network, address)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, b.errorf("%w", err)
	}
	return l, nil
}

func (b *box) ListenPacket(network, address string) (net.PacketConn, error) {
	if !strings.HasPrefix(network, "udp") {
		return nil, b.errorf("listen on %s %s: not udp", network, address)
	}
	c, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return nil, b.errorf("%w", err)
	}
	return c, nil
}

func (b *box) Start(c sandbox.Command) (sandbox.Process, error) {
	p, err := b.run(c)
	if err != nil {
		return nil, b.errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// killWait bounds how long KillAll waits. Only a process in an uninterruptible call of
// the kernel doesn't end.
const killWait = 10 * time.Second

func (b *box) KillAll() error {
	b.mu.Lock()
	running := make([]*proc, 0, len(b.running))
	for p := range b.running {
		running = append(running, p)
	}
	b.mu.Unlock()

	deadline := time.Now().Add(killWait)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		left, err := signalAll(running, b.dir+"/", syscall.SIGKILL)
		if err != nil {
			return b.errorf("kill: %w", err)
		}
		if left == 0 && ended(running) {
			break
		}
		if time.Now().After(deadline) {
			return b.errorf("kill: %d processes don't end", left)
		}
		time.Sleep(pause)
	}
	for _, p := range running {
		b.lose(p)
	}
	return nil
}

// ended says whether all started commands have been waited for.
func ended(procs []*proc) bool {
	return !slices.ContainsFunc(procs, func(p *proc) bool {
		select {
		case <-p.done:
			return false
		default:
			return true
		}
	})
}

// lose forgets a process of whose session nothing is left.
func (b *box) lose(p *proc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.running[p]; ok {
		delete(b.running, p)
		b.spent += p.cpu
	}
}

func (b *box) Freeze() error { return b.signal("freeze", syscall.SIGSTOP) }
func (b *box) Thaw() error   { return b.signal("thaw", syscall.SIGCONT) }

// signal signals all until there are no new ones.
func (b *box) signal(what string, sig syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.errorf("%s: %w", what, fs.ErrClosed)
	}
	running := make([]*proc, 0, len(b.running))
	for p := range b.running {
		running = append(running, p)
	}
	for seen := -1; ; {
		n, err := signalAll(running, b.dir+"/", sig)
		if err != nil {
			return b.errorf("%s: %w", what, err)
		}
		if n <= seen {
			return nil
		}
		seen = n
	}
}

// Usage is what the operating system tells: the peak is the most that calls of Usage have
// seen, and processes that were not the first of their command count while they run.
func (b *box) Usage() (sandbox.Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := b.measured()
	if err != nil {
		return sandbox.Usage{}, err
	}
	if u.TmpBytes, err = sizeOf(b.places["/tmp"]); err != nil {
		return sandbox.Usage{}, b.errorf("usage: %w", err)
	}
	return u, nil
}

func (b *box) PeakMemory() (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := b.measured()
	return u.PeakMemoryBytes, err
}

// measured reads what the processes use; b.mu is held.
func (b *box) measured() (sandbox.Usage, error) {
	if b.closed {
		return sandbox.Usage{}, b.errorf("usage: %w", fs.ErrClosed)
	}
	running := make([]*proc, 0, len(b.running))
	for p := range b.running {
		running = append(running, p)
	}
	u, err := measure(running)
	if err != nil {
		return sandbox.Usage{}, b.errorf("usage: %w", err)
	}
	u.CPU += b.spent
	b.peak = max(b.peak, u.MemoryBytes)
	u.PeakMemoryBytes = b.peak
	return u, nil
}

// sizeOf adds up the files of a folder. What goes away meanwhile has no size.
func sizeOf(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				sum += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	})
	return sum, err
}

func (b *box) ResetPeak() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.errorf("reset peak: %w", fs.ErrClosed)
	}
	b.peak = 0
	return nil
}

func (b *box) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		<-b.finished
		return b.closeErr
	}
	b.closed = true // nothing starts from here on
	b.mu.Unlock()
	defer close(b.finished)

	b.closeErr = errors.Join(b.KillAll(), removeAll(b.dir))
	b.driver.forget(b)
	return b.closeErr
}

func (b *box) errorf(format string, args ...any) error {
	return fmt.Errorf("sandbox %s: "+format, append([]any{b.id}, args...)...)
}

// Weigh implements sandbox.Sandbox: it does nothing.
func (b *box) Weigh(int) error { return nil }
