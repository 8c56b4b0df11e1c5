//go:build linux

package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick/internal/testkit/leak"
)

// realPool is a pool of images on loop devices, on this machine.
func realPool(tb testing.TB, ahead int) *Pool {
	tb.Helper()
	leak.Check(tb)
	p := openIn(tb, tb.TempDir(), ahead)
	if gaps := p.Gaps(); len(gaps) > 0 {
		tb.Skip(gaps)
	}
	return p
}

func openIn(tb testing.TB, dir string, ahead int) *Pool {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("mounting needs root")
	}
	p, err := Open(Options{ID: strings.ToLower(rand.Text()[:8]), Dir: dir, Ahead: ahead})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return p
}

func take(tb testing.TB, p *Pool, sizeMB int) *Disk {
	tb.Helper()
	d, err := p.Take(tb.Context(), sizeMB, 993, 990)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// fill writes a file of mb MiB to the device.
func fill(path string, mb int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i) | 1
	}
	for range mb {
		if _, err := f.Write(block); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

func TestADiskHoldsWhatWasAskedForAndNoMore(t *testing.T) {
	p := realPool(t, 0)
	for _, sizeMB := range []int{1, 64, 512} {
		d := take(t, p, sizeMB)
		// A file of all of it needs some blocks to say where it is.
		if err := fill(filepath.Join(d.Path(), "all"), sizeMB); err != nil {
			t.Errorf("%d MB: %v", sizeMB, err)
		}
		more := sizeMB/20 + 8
		if err := fill(filepath.Join(d.Path(), "more"), more); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d MB more than %d: %v", more, sizeMB, err)
		}
	}
}

func TestTheLargestDiskCanBeMade(t *testing.T) {
	d := take(t, realPool(t, 0), 10240)
	var s unix.Statfs_t
	if err := unix.Statfs(d.Path(), &s); err != nil {
		t.Fatal(err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < 10240<<20 || free > 10400<<20 {
		t.Errorf("%d bytes are free", free)
	}
}

func TestADiskIsEmptyPrivateAndItsOwners(t *testing.T) {
	p := realPool(t, 1)
	for _, sizeMB := range []int{AheadMB, 64} {
		d := take(t, p, sizeMB)
		entries, err := os.ReadDir(d.Path())
		if len(entries) > 0 || err != nil {
			t.Errorf("it has %v, %v", entries, err)
		}
		info, err := os.Stat(d.Path())
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 993 || owner.Gid != 990 || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("it is %v of %d:%d", info.Mode(), owner.Uid, owner.Gid)
		}
		var s unix.Statfs_t
		if err := unix.Statfs(d.Path(), &s); err != nil {
			t.Fatal(err)
		}
		if s.Flags&unix.ST_NOSUID == 0 || s.Flags&unix.ST_NODEV == 0 || s.Flags&(unix.ST_RDONLY|unix.ST_NOEXEC) != 0 {
			t.Errorf("mount flags are %#x", s.Flags)
		}
		if n, err := d.Used(); n != 0 || err != nil {
			t.Errorf("used: %d, %v", n, err)
		}
	}
}

func TestProgramsOnADiskRunButNotAsTheirOwner(t *testing.T) {
	p := realPool(t, 0)
	d := take(t, p, 64)
	for dir := p.dir; dir != os.TempDir(); dir = filepath.Dir(dir) { // for others to get there
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(d.Path(), "id")
	text, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip("no program id here")
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o4755); err != nil { // of root, and setuid
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-u")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 993, Gid: 990}}
	if out, err := cmd.CombinedOutput(); strings.TrimSpace(string(out)) != "993" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

func TestUsedIsWhatFilesTakeAndIsGivenBack(t *testing.T) {
	d := take(t, realPool(t, 0), 64)
	file := filepath.Join(d.Path(), "file")
	if err := fill(file, 20); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Used(); n < 20<<20 || n > 21<<20 || err != nil {
		t.Errorf("used: %d, %v", n, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Used(); n > 1<<20 || err != nil {
		t.Errorf("used: %d, %v", n, err)
	}
}

func TestDisksAreTakenInParallelAndShareNothing(t *testing.T) {
	p := realPool(t, 3)
	var all sync.WaitGroup
	var mu sync.Mutex
	paths := map[string]bool{}
	for i := range 24 {
		all.Go(func() {
			d, err := p.Take(t.Context(), []int{AheadMB, 64, 65}[i%3], 993, 990)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			if paths[d.Path()] {
				t.Errorf("%s was taken twice", d.Path())
			}
			paths[d.Path()] = true
			mu.Unlock()
			if entries, err := os.ReadDir(d.Path()); len(entries) > 0 || err != nil {
				t.Errorf("it has %v, %v", entries, err)
			}
			if err := os.WriteFile(filepath.Join(d.Path(), "mine"), nil, 0o600); err != nil {
				t.Error(err)
			}
			if i%2 == 0 { // the others are left to Close
				for range 2 {
					if err := d.Release(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}

func TestDisksAreMadeAheadAgain(t *testing.T) {
	p := realPool(t, 2)
	for range 3 {
		waitReady(t, p)
		for range 2 {
			take(t, p, AheadMB)
		}
	}
}

func TestAReleasedDiskIsGoneWhileThePoolGoesOn(t *testing.T) {
	p := realPool(t, 0)
	d := take(t, p, 64)
	if err := fill(filepath.Join(d.Path(), "file"), 10); err != nil {
		t.Fatal(err)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its folder is gone", func() bool {
		_, err := os.Stat(d.Path())
		return errors.Is(err, fs.ErrNotExist)
	})
	eventually(t, "its device is free", func() bool { return backing(d.loop) != d.path+".img" })
	take(t, p, 64)
}

func TestAClosedPoolGivesNoDisks(t *testing.T) {
	p := realPool(t, 1)
	d := take(t, p, AheadMB)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := p.Take(t.Context(), AheadMB, 0, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("it gives one, %v", err)
	}
	if err := d.Release(); err != nil {
		t.Errorf("release what Close has ended: %v", err)
	}
	entries, err := os.ReadDir(p.dir)
	if len(entries) != 1 || entries[0].Name() != filepath.Base(keptPath(p.dir, AheadMB)) || err != nil {
		t.Errorf("in its folder are %v, %v, and not only the template that is kept", entries, err)
	}
}

func TestTakeGivesUpWithItsContext(t *testing.T) {
	p := realPool(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, err := p.Take(ctx, 77, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", d, err)
	}
	take(t, p, 77)
	if _, err := p.Take(t.Context(), 0, 0, 0); err == nil {
		t.Error("there is a disk of no size")
	}
}

func TestOpenEndsWhatAKilledPredecessorLeft(t *testing.T) {
	predecessor := realPool(t, 2)
	waitReady(t, predecessor)
	d := take(t, predecessor, 64)
	open, err := os.Create(filepath.Join(d.Path(), "open"))
	if err != nil {
		t.Fatal(err)
	}
	// It never gets to close anything but what the kernel closes.
	predecessor.stop()
	predecessor.filling.Wait()
	loops := predecessor.loops
	if err := os.WriteFile(filepath.Join(predecessor.dir, "tmp99.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := loops.control.Close(); err != nil {
		t.Fatal(err)
	}
	predecessor.mu.Lock()
	predecessor.closed = true
	close(predecessor.finished)
	predecessor.mu.Unlock()

	p := openIn(t, predecessor.dir, 0)
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.probed
	eventually(t, "the devices are free", func() bool { return backing(d.loop) != d.path+".img" })
	if n := len(mountsIn(t, p.dir)); n != 1 {
		t.Errorf("%d are mounted, where one was made to try", n)
	}
	take(t, p, 64)
}

func mountsIn(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if at := strings.Fields(line)[1]; strings.HasPrefix(at, dir+"/") {
			found = append(found, at)
		}
	}
	return found
}

func TestWithoutLoopDevicesDisksAreInMemoryAndThePoolSaysSo(t *testing.T) {
	leak.Check(t)
	t.Setenv("PATH", t.TempDir()) // where there is no mkfs.ext4
	sbin = nil
	t.Cleanup(func() { sbin = systemSbin })
	p := openIn(t, t.TempDir(), 1)
	if gaps := p.Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0], "mkfs.ext4") {
		t.Errorf("gaps: %q", gaps)
	}
	d := take(t, p, 16)
	if err := fill(filepath.Join(d.Path(), "file"), 15); err != nil {
		t.Error(err)
	}
	if n, err := d.Used(); n < 15<<20 || err != nil {
		t.Errorf("used: %d, %v", n, err)
	}
	if err := fill(filepath.Join(d.Path(), "more"), 2); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("over its size: %v", err)
	}
	info, err := os.Stat(d.Path())
	if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != 993 {
		t.Errorf("%v, %v", info, err)
	}
}

func BenchmarkTakeReady(b *testing.B) { benchmarkTake(b, AheadMB) }
func BenchmarkTakeMade(b *testing.B)  { benchmarkTake(b, 600) }

func benchmarkTake(b *testing.B, sizeMB int) {
	p := realPool(b, 8)
	for b.Loop() {
		b.StopTimer()
		if sizeMB == AheadMB {
			waitReady(b, p)
		}
		b.StartTimer()
		d := take(b, p, sizeMB)
		b.StopTimer()
		if err := d.Release(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// waitReady waits for the pool to have disks made ahead.
func waitReady(tb testing.TB, p *Pool) {
	tb.Helper()
	eventually(tb, "disks are made ahead", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.ready) >= p.ahead
	})
}

// eventually polls until f says yes.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(deadline) {
			tb.Fatalf("not in time: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
