//go:build linux

package linux

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

func TestAHundredSandboxesLeaveNothingBehind(t *testing.T) {
	id := newID()
	leak.Check(t, id)
	mark := "m" + id
	leak.Check(t, mark)
	d, err := New(Options{ID: id, Dir: t.TempDir(), Egress: true, Ahead: 2})
	if err != nil {
		t.Fatal(err)
	}
	round := func(n int) error {
		s, err := d.Create(t.Context(), sandbox.Spec{
			ID: fmt.Sprintf("%s%d", mark, n), TmpMB: 512, Slots: []string{"/var/task"}, Egress: n%2 == 0,
			Limits: sandbox.Limits{MemoryBytes: 64 << 20, CPUMilli: 1000, Processes: 64},
		})
		if err != nil {
			return err
		}
		steps := []func() error{
			func() error { return s.Attach(sandbox.Mount{Source: "/usr/share", Target: "/var/task"}) },
			func() error { _, err := s.Start(shell("echo x >/tmp/x; exec sleep 1000")); return err },
			s.Freeze,
		}
		// They are closed at every stage of their lives.
		for _, step := range steps[:n%4] {
			err = errors.Join(err, step())
		}
		return errors.Join(err, s.Close())
	}
	var rounds errgroup.Group
	rounds.SetLimit(20)
	for n := range 100 {
		rounds.Go(func() error { return round(n) })
	}
	if err := rounds.Wait(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestADriverThatIsClosedEndsItsSandboxes(t *testing.T) {
	id := newID()
	leak.Check(t, id)
	d, err := New(Options{ID: id, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Create(t.Context(), sandbox.Spec{ID: "a", TmpMB: 16})
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, s, "sleep 1000")
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-p.Done():
	default:
		t.Error("a process is left")
	}
	if _, err := d.Create(t.Context(), sandbox.Spec{ID: "b", TmpMB: 16}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("create: %v", err)
	}
	// Nothing of a sandbox that has ended does anything, and nothing panics.
	for what, err := range map[string]error{
		"close": s.Close(), "signal": p.Signal(unix.SIGTERM), "kill": s.KillAll(), "thaw": s.Thaw(),
	} {
		if (what == "close" || what == "thaw") != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestACreationThatFailsLeavesNothingBehind(t *testing.T) {
	id := newID()
	leak.Check(t, id)
	d, err := New(Options{ID: id, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "", 0o644)
	good := sandbox.Spec{ID: id + "x", TmpMB: 16}
	for what, change := range map[string]func(*sandbox.Spec){
		"no size":            func(s *sandbox.Spec) { s.TmpMB = 0 },
		"a bad name":         func(s *sandbox.Spec) { s.ID = "a/b" },
		"a bad host name":    func(s *sandbox.Spec) { s.Hostname = "a b" },
		"a relative target":  func(s *sandbox.Spec) { s.Mounts = []sandbox.Mount{{Source: "/usr", Target: "x"}} },
		"the root":           func(s *sandbox.Spec) { s.Mounts = []sandbox.Mount{{Source: "/usr", Target: "/"}} },
		"under /proc":        func(s *sandbox.Spec) { s.Mounts = []sandbox.Mount{{Source: "/usr", Target: "/proc/x"}} },
		"a missing source":   func(s *sandbox.Spec) { s.Mounts = []sandbox.Mount{{Source: "/nowhere", Target: "/var/x"}} },
		"no place in a bind": func(s *sandbox.Spec) { s.Mounts = []sandbox.Mount{{Source: "/usr", Target: "/usr/nowhere"}} },
		"below a file": func(s *sandbox.Spec) {
			s.Mounts = []sandbox.Mount{{Source: file, Target: "/var/x"}, {Source: file, Target: "/var/x/y"}}
		},
		"limits below zero": func(s *sandbox.Spec) { s.Limits.MemoryBytes = -1 },
		"a slot in /tmp":    func(s *sandbox.Spec) { s.Slots = []string{"/tmp/x"} },
	} {
		spec := good
		change(&spec)
		if s, err := d.Create(t.Context(), spec); err == nil {
			t.Errorf("%s: it was made", what)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Create(cancelled, sandbox.Spec{ID: good.ID, TmpMB: 17}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s, err := d.Create(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/usr/nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("on the host: %v", err)
	}
}

func init() { roles["victim"] = victim }

// victim is a server with sandboxes that is to be killed. It prints their processes.
func victim() {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	d, err := New(Options{ID: os.Getenv("WICK_TEST_ID"), Dir: os.Getenv("WICK_TEST_DIR"), Egress: true, Ahead: 2})
	fail(err)
	for i := range 4 {
		s, err := d.Create(context.Background(), sandbox.Spec{
			ID: fmt.Sprintf("victim%d", i), TmpMB: 512, Slots: []string{"/var/task"}, Egress: true,
			Limits: sandbox.Limits{MemoryBytes: 64 << 20, CPUMilli: 1000, Processes: 64},
		})
		fail(err)
		fail(s.Attach(sandbox.Mount{Source: "/usr/share", Target: "/var/task"}))
		p, err := s.Start(shell("trap '' TERM HUP INT; while :; do :; done"))
		fail(err)
		fmt.Println("pid", p.PID())
		fmt.Println("pid", s.(*Sandbox).first.Pid)
		if i%2 == 0 {
			fail(s.Freeze())
		}
	}
	fmt.Println("ready")
	select {}
}

func TestAKilledServerLeavesNothingThatRunsAndTheNextSweepsTheRest(t *testing.T) {
	id, dir := newID(), t.TempDir()
	leak.Check(t, id)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=victim", "WICK_TEST_ID="+id, "WICK_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pidfds []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		text, ok := strings.CutPrefix(lines.Text(), "pid ")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		pidfds = append(pidfds, fd)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it ended by itself")
	}
	if len(pidfds) != 8 {
		t.Fatalf("it had %d processes", len(pidfds))
	}
	// Nobody has swept yet: they end by themselves, frozen or not.
	for _, fd := range pidfds {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, int(patience.Milliseconds()))
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(poll, int(patience.Milliseconds()))
		}
		if n != 1 || err != nil {
			t.Errorf("a process goes on: %v, %v", n, err)
		}
	}
	if left := mountsBelow(t, dir); len(left) > 0 {
		t.Errorf("mounts: %v", left)
	}

	before := time.Now()
	d, err := New(Options{ID: id, Dir: dir, Egress: true, Ahead: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("New took %v", time.Since(before))
	s, err := d.Create(t.Context(), sandbox.Spec{ID: "victim0", TmpMB: 512, Limits: sandbox.Limits{MemoryBytes: 64 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	sh(t, s, "true")
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	left, _ := filepath.Glob(dir + "/*/*") // the pattern is not malformed
	left = slices.DeleteFunc(left, func(path string) bool { return strings.HasPrefix(filepath.Base(path), "template-") })
	if len(left) > 0 {
		t.Errorf("files, but for what is kept for the next run: %v", left)
	}
}

// mountsBelow looks in every mount namespace there is.
func mountsBelow(t *testing.T, dir string) (left []string) {
	t.Helper()
	lists, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of one that has ended there is none
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, dir) {
				left = append(left, line)
			}
		}
	}
	return left
}
