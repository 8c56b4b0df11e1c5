//go:build linux

package linux

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/wick-run/wick/sandbox"
)

// TestMain runs the tests in a mount namespace of their own, as the server runs.
func TestMain(m *testing.M) {
	if err := EnterPrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(m.Run())
}

func open(t testing.TB) *Driver {
	t.Helper()
	d, err := New(Options{ID: "test", Dir: t.TempDir(), Egress: true, Ahead: 2, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestX(t *testing.T) {
	d := open(t)
	t.Log(d.Gaps())
	s, err := d.Create(context.Background(), sandbox.Spec{ID: "a1", Hostname: "h", TmpMB: 512, Slots: []string{"/var/task"}, Limits: sandbox.Limits{MemoryBytes: 128 << 20, CPUMilli: 500, Processes: 100}})
	if err != nil {
		t.Fatal(err)
	}
	r, w, _ := os.Pipe()
	p, err := s.Start(sandbox.Command{Path: "/bin/sh", Args: []string{"sh", "-c", os.Getenv("CMD")}, Env: []string{"PATH=/usr/bin:/bin:/usr/sbin"}, Stdout: w, Stderr: w})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	b, _ := io.ReadAll(r)
	<-p.Done()
	t.Logf("%s\n%+v pid %d", b, p.Exit(), p.PID())
	t.Log(s.Usage())
}
