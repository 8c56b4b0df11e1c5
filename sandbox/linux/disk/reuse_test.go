//go:build linux

package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestADiskIsUsedAgainOnlyIfNothingTellsOfItsLastUser(t *testing.T) {
	p := realPool(t, 0)
	for _, c := range []struct {
		what   string
		again  bool
		leave  func(dir string) error
		sizeMB int
	}{
		{"nothing", true, func(string) error { return nil }, AheadMB},
		{"nothing, of another size", false, func(string) error { return nil }, 64},
		{"another mode and time", true, func(dir string) error { return os.Chmod(dir, 0o777) }, AheadMB},
		{"a file", false, func(dir string) error { return fill(filepath.Join(dir, "f"), 1) }, AheadMB},
		{"an empty file", false, func(dir string) error { return os.WriteFile(filepath.Join(dir, ".f"), nil, 0o600) }, AheadMB},
		{"a folder", false, func(dir string) error { return os.Mkdir(filepath.Join(dir, "d"), 0o700) }, AheadMB},
		{"a link that leads nowhere", false, func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, "l")) }, AheadMB},
		{"an attribute", false, func(dir string) error { return unix.Setxattr(dir, "user.note", []byte("mine"), 0) }, AheadMB},
		{"a flag", false, func(dir string) error { return setFlag(dir, noDump) }, AheadMB},
		{"a file that was deleted", true, func(dir string) error {
			path := filepath.Join(dir, "f")
			if err := fill(path, 3); err != nil {
				return err
			}
			return os.Remove(path)
		}, AheadMB},
		{"a deleted file that is still open", false, func(dir string) error {
			f, err := os.Create(filepath.Join(dir, "f"))
			if err != nil {
				return err
			}
			t.Cleanup(func() { f.Close() })
			return os.Remove(f.Name())
		}, AheadMB},
		{"so many deleted files that the folder has grown", false, func(dir string) error {
			for n := range 2000 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("a-long-name-%d", n)), nil, 0o600); err != nil {
					return err
				}
			}
			for n := range 2000 {
				if err := os.Remove(filepath.Join(dir, fmt.Sprintf("a-long-name-%d", n))); err != nil {
					return err
				}
			}
			return nil
		}, AheadMB},
	} {
		d := take(t, p, c.sizeMB)
		if err := c.leave(d.Path()); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := p.reuse(d); got != c.again {
			t.Errorf("%s: used again: %t", c.what, got)
		}
		if !c.again {
			continue
		}
		next := take(t, p, c.sizeMB)
		var s unix.Stat_t
		if err := unix.Stat(next.Path(), &s); err != nil {
			t.Fatal(err)
		}
		if next.Path() != d.Path() || s.Uid != 993 || s.Mode&0o777 != 0o700 {
			t.Errorf("%s: the next one, %s, is of %d with mode %o", c.what, next.Path(), s.Uid, s.Mode)
		}
		if n, err := next.Used(); n != 0 || err != nil {
			t.Errorf("%s: the next one uses %d, %v", c.what, n, err)
		}
	}
}

// noDump is what chattr +d sets. Source: Linux, include/uapi/linux/fs.h, FS_NODUMP_FL.
const noDump = 0x40

func setFlag(dir string, flag int) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|flag)
}

func TestUsedDisksAreKeptWithinBounds(t *testing.T) {
	p := realPool(t, 0)
	disks := make([]*Disk, spareDisks+3)
	for n := range disks {
		disks[n] = take(t, p, AheadMB)
	}
	again := 0
	for _, d := range disks {
		if p.reuse(d) {
			again++
		}
	}
	// The first of all may still be there.
	if again < spareDisks-1 || again > spareDisks {
		t.Errorf("%d of %d are kept", again, len(disks))
	}
}
