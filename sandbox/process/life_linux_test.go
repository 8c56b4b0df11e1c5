package process

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

// TestMain runs the tests, or a server to be killed by one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PROCESS_TEST_SERVER"); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve starts a command in a sandbox, says its PID, and goes on.
func serve(dir string) error {
	d, err := New(dir)
	if err != nil {
		return err
	}
	sb, err := d.Create(context.Background(), sandbox.Spec{ID: "a"})
	if err != nil {
		return err
	}
	p, err := sb.Start(sandbox.Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	if err != nil {
		return err
	}
	fmt.Println(p.PID())
	<-p.Done()
	return nil
}

func TestAKilledServerTakesItsProcessesAlongAndTheNextItsFolders(t *testing.T) {
	leak.Check(t)
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "PROCESS_TEST_SERVER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it says
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s, ok := readStat(strconv.Itoa(pid))
		if !ok || s.zombie { // who inherits it may take its time to wait for it
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d runs on", pid)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "root", "tmp")); err != nil {
		t.Fatal(err)
	}
	d, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("there are %v, %v", entries, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestADaemonEndsWithItsSandbox(t *testing.T) {
	mark := "d" + strings.ToLower(rand.Text()[:8])
	leak.Check(t, mark)
	d, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sb, err := d.Create(t.Context(), sandbox.Spec{ID: mark})
	if err != nil {
		t.Fatal(err)
	}
	// In a session of its own, of a parent that ends.
	p, err := sb.Start(sandbox.Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", "setsid sleep 1000 & setsid true"},
		Env: []string{"PATH=/usr/bin:/bin", "TMPDIR=" + sb.Path("/tmp")},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if n, err := signalAll(nil, mark, 0); n != 1 || err != nil {
		t.Fatalf("%d daemons run, %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n, err := signalAll(nil, mark, 0); n != 0 || err != nil {
		t.Errorf("%d daemons run on, %v", n, err)
	}
}

func TestATargetBelowAnotherIsFoundAndChangesNothingOfTheOther(t *testing.T) {
	leak.Check(t)
	d, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	outer, inner := t.TempDir(), t.TempDir()
	for _, dir := range []string{outer, inner} {
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(dir), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sb, err := d.Create(t.Context(), sandbox.Spec{
		ID:     "a",
		Mounts: []sandbox.Mount{{Source: inner, Target: "/opt/deep/inner"}, {Source: outer, Target: "/opt"}},
		Slots:  []string{"/opt/slot"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.Attach(sandbox.Mount{Source: inner, Target: "/opt/slot"}); err != nil {
		t.Fatal(err)
	}
	for inside, want := range map[string]string{"/opt/file": outer, "/opt/deep/inner/file": inner, "/opt/slot/file": inner} {
		if text, err := os.ReadFile(sb.Path(inside)); string(text) != want || err != nil {
			t.Errorf("%s is %q, %v", inside, text, err)
		}
		if again := sb.Path(sb.Path(inside)); again != sb.Path(inside) {
			t.Errorf("%s, asked again, is %s", inside, again)
		}
	}
	if entries, err := os.ReadDir(outer); len(entries) != 1 || err != nil {
		t.Errorf("the source has %v, %v", entries, err)
	}
	if got := sb.Path("/usr/bin/env"); got != "/usr/bin/env" {
		t.Errorf("what is nobody's target is %s", got)
	}
}

func TestCloseDeletesWhatItsOwnerMadeUnreadable(t *testing.T) {
	leak.Check(t)
	dir := t.TempDir()
	locked := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(filepath.Join(locked, "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // whom no mode keeps out: give it to one it does
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{filepath.Join(dir, "a"), locked, filepath.Join(locked, "c"), filepath.Dir(dir)} {
			if err := os.Chown(at, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		restore := asNobody(t)
		defer restore()
	}
	if err := removeAll(filepath.Join(dir, "a")); err != nil {
		t.Error(err)
	}
}

// asNobody makes this thread's file accesses those of an unprivileged user.
func asNobody(t *testing.T) func() {
	t.Helper()
	lockThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
	}
}
