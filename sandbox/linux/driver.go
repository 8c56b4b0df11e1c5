//go:build linux

package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/linux/cgroup"
	"github.com/wick-run/wick/sandbox/linux/disk"
	"github.com/wick-run/wick/sandbox/linux/network"
)

// Options describe a [Driver].
type Options struct {
	// ID names everything the driver has on the host: [a-z0-9]{1,12}. Two drivers that
	// run at the same time may not have the same.
	ID string
	// Dir is a folder of the driver's own, made when missing, on a disk with room for
	// what functions write to /tmp.
	Dir string
	// Egress makes it possible at all that a sandbox reaches the outside.
	Egress bool
	// Ahead is how many network slots and /tmp images are kept ready.
	Ahead int
	// Log takes what fails in the background; nil is slog.Default.
	Log *slog.Logger
}

// Driver makes sandboxes. It implements sandbox.Driver.
type Driver struct {
	log     *slog.Logger
	dir     string // where roots are mounted, each in a mount namespace of its own
	runDir  string // files of this run
	host    *host
	filter  filter
	ids     *ids
	init    *os.File
	null    *os.File
	mounter *mounter
	places  places
	frames  frames
	cgroups *cgroup.Tree
	network *networks
	disks   *disk.Pool

	lastCapability int
	oomScore       string // of commands

	creating sync.WaitGroup // none is added once closed
	sweeping sync.WaitGroup
	close    func() error

	mu        sync.Mutex // guards what follows
	closed    bool
	sandboxes map[string]*Sandbox
}

var (
	validID   = regexp.MustCompile(`^[a-z0-9]{1,12}$`)
	validName = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
)

// New opens a driver, after ending what a killed predecessor of the same ID left
// behind. It fails where the kernel doesn't let this process make namespaces.
func New(o Options) (*Driver, error) {
	if !validID.MatchString(o.ID) {
		return nil, fmt.Errorf("sandbox driver: %q is no ID: 1 to 12 of a-z and 0-9", o.ID)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := supported(); err != nil {
		return nil, fmt.Errorf("sandbox driver: %w", err)
	}
	d := &Driver{log: o.Log, sandboxes: map[string]*Sandbox{}}
	d.close = sync.OnceValue(d.tearDown)
	if err := d.open(o); err != nil {
		return nil, fmt.Errorf("sandbox driver: %w", errors.Join(err, d.Close()))
	}
	return d, nil
}

// supported says what is missing for this driver to work at all.
func supported() error {
	if err := canMount(); err != nil {
		return fmt.Errorf("this process can't make mounts, which sandboxes need (%w): run wick as root (in a container: a privileged one), "+
			"or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0), "+
			"or do without walls: --isolation process", err)
	}
	// Of what is used it is the latest that the kernel has learnt.
	var attr unix.MountAttr
	if err := unix.MountSetattr(-1, "", 0, &attr); errors.Is(err, unix.ENOSYS) {
		return errors.New("sandboxes need Linux 5.12 or later; without it, run with --isolation process")
	}
	if n, err := readNumber("/proc/sys/user/max_user_namespaces"); err != nil || n == 0 {
		return errors.Join(err, errors.New("this machine has user namespaces switched off, which sandboxes need: "+
			"sysctl user.max_user_namespaces=10000, or run with --isolation process"))
	}
	return nil
}

// canMount tries to copy a mount, which changes nothing.
func canMount() error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOSYS) {
		return nil // for another message
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (d *Driver) open(o Options) error {
	if err := os.MkdirAll(o.Dir, 0o711); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	if d.runDir, err = os.MkdirTemp(dir, "run-"); err != nil {
		return err
	}
	d.dir = filepath.Join(d.runDir, "root")
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return err
	}
	d.frames.dir = filepath.Join(d.runDir, framesName)
	if d.host, err = readHost(); err != nil {
		return err
	}
	if d.filter, err = newFilter(); err != nil {
		return err
	}
	if d.ids, err = newIDs(o.ID); err != nil {
		return err
	}
	if d.init, err = openInit(d.runDir); err != nil {
		return err
	}
	if d.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	if d.lastCapability, err = readNumber("/proc/sys/kernel/cap_last_cap"); err != nil {
		return err
	}
	score, err := readNumber("/proc/self/oom_score_adj")
	if err != nil {
		return err
	}
	d.oomScore = strconv.Itoa(max(score, outOfMemoryScore)) // to lower it takes a capability
	if d.mounter, err = newMounter(); err != nil {
		return err
	}
	if err := d.openParts(o, dir); err != nil {
		return err
	}
	d.sweeping.Go(func() { d.sweep(dir) })
	return nil
}

// openParts opens cgroups, network and disks, which are swept by that.
func (d *Driver) openParts(o Options, dir string) error {
	var parts errgroup.Group
	parts.Go(func() (err error) {
		d.cgroups, err = cgroup.Open(cgroup.Options{ID: o.ID, Log: o.Log})
		return err
	})
	parts.Go(func() (err error) {
		d.network, err = openNetworks(network.Options{ID: o.ID, Ahead: o.Ahead, Egress: o.Egress, Log: o.Log})
		return err
	})
	parts.Go(func() (err error) {
		d.disks, err = disk.Open(disk.Options{ID: o.ID, Dir: filepath.Join(dir, "disks"), Ahead: o.Ahead, Log: o.Log})
		return err
	})
	return parts.Wait()
}

// framesName is the folder of the frames in that of a run.
const framesName = "frames"

// sweep deletes the files of runs that were killed.
func (d *Driver) sweep(dir string) {
	old, _ := filepath.Glob(filepath.Join(dir, "run-*")) // the pattern is not malformed
	for _, p := range old {
		if p == d.runDir {
			continue
		}
		sweepFrames(filepath.Join(p, framesName))
		if err := os.RemoveAll(p); err != nil {
			d.log.Warn("sandbox driver: can't delete what an earlier run left", "path", p, "error", err)
		}
	}
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// Name implements sandbox.Driver.
func (d *Driver) Name() string { return "linux" }

// Gaps implements sandbox.Driver.
func (d *Driver) Gaps() []string {
	var gaps []string
	if !d.ids.separate() {
		gaps = append(gaps, "all functions run as one user of the host, the one that runs wick, so the walls between them are namespaces only: run wick as root")
	}
	gaps = append(gaps, d.cgroups.Gaps()...)
	gaps = append(gaps, d.disks.Gaps()...)
	return append(gaps, d.network.gaps()...)
}

// Create implements sandbox.Driver. ctx bounds the waiting for a network slot and a
// disk; building the sandbox takes milliseconds and isn't interrupted.
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if !validName.MatchString(spec.ID) {
		return nil, fmt.Errorf("sandbox %q: an ID is 1 to 32 of a-z and 0-9", spec.ID)
	}
	s := &Sandbox{driver: d, id: spec.ID, hostname: spec.Hostname, pidfd: -1, limits: spec.Limits, attached: map[string]bool{}}
	s.close = sync.OnceValue(s.destroy)
	for _, p := range spec.Slots {
		p, err := inside(p)
		if err != nil {
			return nil, s.errorf("slot: %w", err)
		}
		s.slots = append(s.slots, p)
	}
	for _, p := range spec.Folders {
		p, err := inside(p)
		if err != nil {
			return nil, s.errorf("folder: %w", err)
		}
		s.folders = append(s.folders, p)
	}
	if strings.ContainsAny(spec.Hostname, " \t\n\x00") || len(spec.Hostname) > 64 {
		return nil, s.errorf("%q is no host name", spec.Hostname)
	}
	if err := d.register(s); err != nil {
		return nil, err
	}
	defer d.creating.Done()
	if err := s.create(ctx, spec); err != nil {
		return nil, errors.Join(s.errorf("create: %w", err), s.Close())
	}
	s.prepare()
	return s, nil
}

func (d *Driver) register(s *Sandbox) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return s.errorf("the driver is closed: %w", fs.ErrClosed)
	}
	if d.sandboxes[s.id] != nil {
		return s.errorf("there is one of that ID: %w", fs.ErrExist)
	}
	d.sandboxes[s.id] = s
	d.creating.Add(1)
	return nil
}

func (d *Driver) forget(s *Sandbox) {
	d.mu.Lock()
	delete(d.sandboxes, s.id)
	d.mu.Unlock()
}

// create makes the parts of a sandbox and has its first process put them together.
func (s *Sandbox) create(ctx context.Context, spec sandbox.Spec) error {
	d := s.driver
	if err := ctx.Err(); err != nil {
		return err
	}
	d.creating.Go(d.cgroups.Announce) // by the time there is a process it is over
	who, err := d.ids.take()
	if err != nil {
		return err
	}
	s.who = &who
	binds, err := s.binds(spec.Mounts)
	if err != nil {
		return err
	}
	if s.frame, err = d.frames.take(s.rootEntries(binds), s.devEntries()); err != nil {
		return err
	}
	if s.slot, err = d.network.take(ctx, spec.Egress); err != nil {
		return err
	}
	if s.disk, err = d.disks.Take(ctx, spec.TmpMB, who.user, who.user); err != nil {
		return err
	}
	if s.group, err = d.cgroups.New(spec.ID, spec.Limits); err != nil {
		return err
	}
	files, err := newProcFiles(d.host, filepath.Join(d.runDir, spec.ID), spec.Limits)
	s.files = &files
	if err != nil {
		return err
	}
	if err := s.startInit(); err != nil {
		return err
	}
	script := s.rootScript(spec, binds)
	identify := func() error { return d.ids.write(s.first.Pid, who) }
	if err := s.control.run(requestRun, script, identify, s.slot.Namespace()); err != nil {
		return err
	}
	s.built = true
	return nil
}

// startInit starts the first process, in namespaces of its own.
func (s *Sandbox) startInit() error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	null := s.driver.null
	s.first, err = os.StartProcess(pathOf(s.driver.init), []string{"wick-init"}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, null, null, theirs},
		Sys: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			PidFD:      &s.pidfd,
		},
	})
	if err != nil {
		ours.Close()
		return fmt.Errorf("start the first process: %w", err)
	}
	if s.pidfd < 0 {
		err = errors.New("the kernel has no pidfds")
	}
	s.control = newControl(ours)
	return err
}

// Close implements sandbox.Driver.
func (d *Driver) Close() error { return d.close() }

// closesAtATime bounds how many sandboxes are closed at a time by the driver's Close.
const closesAtATime = 16

func (d *Driver) tearDown() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.creating.Wait()
	d.mu.Lock()
	left := make([]*Sandbox, 0, len(d.sandboxes))
	for _, s := range d.sandboxes {
		left = append(left, s)
	}
	d.mu.Unlock()

	errs := make([]error, len(left))
	var closing errgroup.Group
	closing.SetLimit(closesAtATime)
	for i, s := range left {
		closing.Go(func() error { errs[i] = s.Close(); return nil })
	}
	_ = closing.Wait() // they are in errs
	d.sweeping.Wait()
	if d.mounter != nil {
		d.mounter.close()
	}
	// A driver that couldn't be opened has not all of its parts.
	if d.disks != nil {
		errs = append(errs, d.disks.Close())
	}
	if d.network != nil {
		errs = append(errs, d.network.close())
	}
	if d.cgroups != nil {
		errs = append(errs, d.cgroups.Close())
	}
	for _, f := range []*os.File{d.init, d.null} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if d.runDir != "" {
		errs = append(errs, d.frames.close(), os.RemoveAll(d.runDir))
	}
	return errors.Join(errs...)
}
