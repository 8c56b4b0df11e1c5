//go:build linux

package linux

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// TestMain runs the tests in a mount namespace of their own, as the server runs. What
// it does when it is run for a part of a test is in roles.
func TestMain(m *testing.M) {
	if err := EnterPrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		role()
	}
	os.Exit(m.Run())
}

const roleVariable = "WICK_TEST_ROLE"

// roles are what this program does when a test runs it again.
var roles = map[string]func(){}

// patience bounds every wait: longer, and something hangs.
const patience = time.Minute

// open makes a driver that is closed after the test.
func open(t testing.TB) *Driver {
	t.Helper()
	d := openUnclosed(t)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func openUnclosed(t testing.TB) *Driver {
	t.Helper()
	d, err := New(Options{ID: newID(), Dir: t.TempDir(), Egress: true, Ahead: 2, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// newID is an ID that no other driver on the machine has: others test beside.
func newID() string { return "t" + strings.ToLower(rand.Text()[:9]) }

var sandboxes atomic.Int64

// create makes a sandbox of a driver that is closed after the test. What spec leaves
// out is filled in.
func create(t testing.TB, d *Driver, spec sandbox.Spec) *Sandbox {
	t.Helper()
	spec.ID = fmt.Sprintf("test%d", sandboxes.Add(1))
	if spec.Hostname == "" {
		spec.Hostname = "inside"
	}
	if spec.TmpMB == 0 {
		spec.TmpMB = 512
	}
	if spec.Slots == nil {
		spec.Slots = []string{"/var/task", "/opt"}
	}
	if spec.Limits == (sandbox.Limits{}) {
		spec.Limits = sandbox.Limits{MemoryBytes: 512 << 20, CPUMilli: 1000, Processes: 256}
	}
	s, err := d.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*Sandbox)
}

// shell is a command that runs a shell script.
func shell(script string) sandbox.Command {
	return sandbox.Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: "/tmp",
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
	}
}

// start starts a shell script whose output nobody wants.
func start(t testing.TB, s sandbox.Sandbox, script string) sandbox.Process {
	t.Helper()
	p, err := s.Start(shell(script))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a command to its end and returns what it prints and how it ended.
func run(t testing.TB, s sandbox.Sandbox, c sandbox.Command) (string, sandbox.Exit) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Stdout, c.Stderr = w, w
	p, err := s.Start(c)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%q: %v; so far it printed %q", c.Args, err, text)
	}
	return strings.TrimSpace(string(text)), wait(t, p)
}

// sh runs a shell script, which has to succeed, and returns what it prints.
func sh(t testing.TB, s sandbox.Sandbox, script string) string {
	t.Helper()
	text, exit := run(t, s, shell(script))
	if exit != (sandbox.Exit{}) {
		t.Fatalf("%s: %+v: %s", script, exit, text)
	}
	return text
}

// wait waits for the end of a process.
func wait(t testing.TB, p sandbox.Process) sandbox.Exit {
	t.Helper()
	select {
	case <-p.Done():
		return p.Exit()
	case <-time.After(patience):
		t.Fatalf("process %d doesn't end", p.PID())
		return sandbox.Exit{}
	}
}

// writeFile makes a file with folders above it, for anybody to read.
func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
