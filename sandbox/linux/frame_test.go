//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/sandbox"
)

func TestSandboxesOfTheSameMountsShareARootNobodyCanWriteTo(t *testing.T) {
	d := open(t)
	one, same := create(t, d, sandbox.Spec{}), create(t, d, sandbox.Spec{})
	other := create(t, d, sandbox.Spec{Hostname: "other"})
	const ask = "stat -c '%d %a' / /dev /etc/hosts; cat /etc/hostname; readlink /dev/stderr"
	want := sh(t, one, ask)
	if got := sh(t, same, ask); got != want {
		t.Errorf("one has %s, the other %s", want, got)
	}
	for _, path := range []string{"/", "/etc/hosts"} {
		if a, b := sh(t, one, "stat -c %d "+path), sh(t, other, "stat -c %d "+path); a == b {
			t.Errorf("%s of a sandbox of another name is on the same file system", path)
		}
	}
	if got := sh(t, other, "cat /etc/hostname"); got != "other" {
		t.Errorf("its name is %s", got)
	}
	if a, b := sh(t, one, "stat -c %d /dev/shm"), sh(t, same, "stat -c %d /dev/shm"); a == b {
		t.Error("they share their memory")
	}
	// Not even whoever has every privilege, where the file system is mounted.
	for _, at := range []string{one.frame.root(), one.frame.dev()} {
		if err := os.WriteFile(filepath.Join(at, "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s can be written to: %v", at, err)
		}
	}
}

func TestFramesThatNoSandboxUsesGo(t *testing.T) {
	s := frames{dir: filepath.Join(t.TempDir(), "frames")}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if left := mountsBelow(t, s.dir); len(left) > 0 {
			t.Errorf("mounts: %v", left)
		}
	})
	of := func(n int) *entries {
		e := &entries{}
		e.folder(fmt.Sprintf("/a/%d", n))
		return e
	}
	var all []*frame
	for n := range idleFrames + 3 {
		f, err := s.take(of(n), of(0))
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.take(of(n), of(0))
		if err != nil || again != f {
			t.Fatalf("it is made again: %v", err)
		}
		all = append(all, f, again)
	}
	for _, f := range all {
		if err := s.release(f); err != nil {
			t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(mounts), s.dir); got != 2*idleFrames {
		t.Errorf("%d file systems are still mounted", got)
	}
}

func TestAFrameThatCannotBeMadeLeavesNothing(t *testing.T) {
	s := frames{dir: filepath.Join(t.TempDir(), "frames")}
	twice := &entries{all: []entry{{entryFolder, "/a", ""}, {entryFolder, "/a", ""}}}
	if _, err := s.take(twice, &entries{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
	if left := mountsBelow(t, s.dir); len(left) > 0 {
		t.Errorf("mounts: %v", left)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// A process inherits, until it is another program, what is open just now; and a file system
// with a file that is open for writing can't be made read-only.
func TestAFrameIsMadeWhileProcessesAreStarted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	stop := make(chan struct{})
	var starters sync.WaitGroup
	defer starters.Wait()
	defer close(stop)
	for range 4 {
		starters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	e := &entries{}
	for n := range 30 {
		e.add(entry{entryFile, fmt.Sprint("/file", n), "text"})
	}
	for n := range 40 {
		at := filepath.Join(t.TempDir(), fmt.Sprint(n))
		err := makeFrame(at, "wick-test", 0, "mode=755,size=1m", e)
		if err := errors.Join(err, unix.Unmount(at, unix.MNT_DETACH)); err != nil {
			t.Fatal(err)
		}
	}
}
