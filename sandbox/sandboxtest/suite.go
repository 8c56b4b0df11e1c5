// Package sandboxtest is the contract of package sandbox as tests. Every driver passes
// them: its own tests call Run.
package sandboxtest

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/sandbox"
)

// Run runs the contract's tests on the driver that open gives; Run closes it. Without
// walls, what only walls can give is left out. open may be called several times, one
// driver at a time.
func Run(t *testing.T, open func(t *testing.T) sandbox.Driver, walls bool) {
	s := &suite{mark: "t" + strings.ToLower(rand.Text()[:8]), helper: buildHelper(t)}
	leak.Check(t, s.mark)
	s.driver = open(t)
	t.Cleanup(func() {
		if err := s.driver.Close(); err != nil {
			t.Errorf("close the driver: %v", err)
		}
	})
	for _, gap := range s.driver.Gaps() {
		t.Log("gap: ", gap)
	}
	for _, test := range contract {
		t.Run(test.name, func(t *testing.T) { test.run(&room{T: t, suite: s}) })
	}
	if walls {
		for _, test := range isolation {
			t.Run(test.name, func(t *testing.T) { test.run(&room{T: t, suite: s}) })
		}
	}
	t.Run("A closed driver makes no sandbox", func(t *testing.T) {
		leak.Check(t, s.mark)
		r := &room{T: t, suite: s}
		d := open(t)
		spec := r.spec()
		sb, err := d.Create(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		r.serve(sb)
		for range 2 {
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if _, err := d.Create(t.Context(), r.spec()); err == nil {
			t.Error("it made one")
		}
		if err := sb.Close(); err != nil {
			t.Errorf("close a sandbox that the driver has ended: %v", err)
		}
	})
}

// test is a promise of the contract.
type test struct {
	name string
	run  func(*room)
}

// suite is what the tests of a Run share.
type suite struct {
	driver sandbox.Driver
	mark   string // begins each sandbox's ID
	helper string // folder with the program "inside"
	count  int
}

// helperDir is where the helper is inside.
const (
	helperDir = "/var/inside"
	helper    = helperDir + "/inside"
)

// buildHelper builds the program that runs in sandboxes. Static, since a sandbox need not
// have a C library.
func buildHelper(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "inside"), "github.com/wick-run/wick/sandbox/sandboxtest/inside")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the helper: %v\n%s", err, out)
	}
	return dir
}

// room is one test's view.
type room struct {
	*testing.T
	*suite
}

// spec describes a sandbox with the helper in it.
func (r *room) spec() sandbox.Spec {
	r.count++
	return sandbox.Spec{
		ID:       fmt.Sprintf("%s%d", r.mark, r.count),
		Hostname: "inside",
		Mounts:   []sandbox.Mount{{Source: r.helper, Target: helperDir}},
		Slots:    []string{"/var/task", "/opt"},
		TmpMB:    512,
		Limits:   sandbox.Limits{MemoryBytes: 512 << 20, CPUMilli: 1000, Processes: 256},
	}
}

// create makes a sandbox that is closed after the test.
func (r *room) create() sandbox.Sandbox { return r.createAs(r.spec()) }

func (r *room) createAs(spec sandbox.Spec) sandbox.Sandbox {
	r.Helper()
	sb, err := r.driver.Create(r.Context(), spec)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := sb.Close(); err != nil {
			r.Errorf("close the sandbox: %v", err)
		}
	})
	if sb.ID() != spec.ID {
		r.Errorf("its ID is %q, not %q", sb.ID(), spec.ID)
	}
	return sb
}

// folder makes a folder of the host's with a file in it.
func (r *room) folder(name, text string) string {
	r.Helper()
	dir := r.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	return dir
}
