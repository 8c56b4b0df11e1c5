//go:build linux

package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// loops hands out loop devices.
type loops struct {
	id      string
	control *os.File
	dev     string // where device nodes are made that /dev lacks
}

// devFolder is the folder for device nodes in the pool's.
const devFolder = "dev"

// The kernel's numbers of devices. Source: Linux, Documentation/admin-guide/devices.txt.
const (
	loopMajor        = 7
	miscMajor        = 10
	loopControlMinor = 237
)

func openLoops(id, dir string) (*loops, error) {
	l := &loops{id: id, dev: filepath.Join(dir, devFolder)}
	if err := os.Mkdir(l.dev, 0o700); err != nil {
		return nil, err
	}
	var err error
	if l.control, err = l.openNode("loop-control", miscMajor, loopControlMinor); err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.dev))
	}
	return l, nil
}

// countLoops is one more than the highest number of a loop device there is.
func countLoops() int {
	names, _ := filepath.Glob("/sys/block/loop*") // its one error is a bad pattern
	count := 0
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(name), "loop")); err == nil {
			count = max(count, n+1)
		}
	}
	return count
}

// openNode opens a device in /dev, or by a node of its own: in a container /dev has the
// nodes it had when the container began.
func (l *loops) openNode(name string, major, minor uint32) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join("/dev", name), os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	path := filepath.Join(l.dev, name)
	err = unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor)))
	if major == miscMajor {
		err = unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(major, minor)))
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "mknod", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

// attach puts image on a free loop device and returns that, open, with its number. The
// device is free again when the file is closed and nothing is mounted from it.
func (l *loops) attach(ctx context.Context, image *os.File, name string) (*os.File, int, error) {
	// A number is free only until someone else, of ours or not, is faster.
	for ctx.Err() == nil {
		n, err := unix.IoctlRetInt(int(l.control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, 0, fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := l.openNode("loop"+strconv.Itoa(n), loopMajor, minorOf(n))
		if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) { // removed since
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		err = l.configure(device, image, name)
		if err == nil {
			return device, n, nil
		}
		err = errors.Join(err, device.Close())
		if !errors.Is(err, unix.EBUSY) {
			return nil, 0, fmt.Errorf("attach to loop%d: %w", n, err)
		}
	}
	return nil, 0, ctx.Err()
}

// minorOf is the minor number of loop device n, which isn't n where loop devices can
// have partitions.
func minorOf(n int) uint32 {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/dev", n))
	if err != nil {
		return uint32(n)
	}
	_, minor, _ := strings.Cut(strings.TrimSpace(string(text)), ":")
	if m, err := strconv.ParseUint(minor, 10, 32); err == nil {
		return uint32(m)
	}
	return uint32(n)
}

func (l *loops) configure(device, image *os.File, name string) error {
	info := unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}
	// What losetup lists; the last byte stays 0.
	copy(info.File_name[:len(info.File_name)-1], "wick-"+l.id+"-"+name)
	fd := int(device.Fd())
	err := unix.IoctlLoopConfigure(fd, &unix.LoopConfig{Fd: uint32(image.Fd()), Info: info})
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTTY) {
		return err
	}
	// Before Linux 5.8 it takes two steps.
	if err := unix.IoctlSetInt(fd, unix.LOOP_SET_FD, int(image.Fd())); err != nil {
		return err
	}
	if err := unix.IoctlLoopSetStatus64(fd, &info); err != nil {
		return errors.Join(err, unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0))
	}
	return nil
}

// detached waits until loop device n has let go of the image of the disk at path.
func (l *loops) detached(ctx context.Context, n int, path string) error {
	for wait := 100 * time.Microsecond; backing(n) == path+".img"; wait = min(2*wait, 20*time.Millisecond) {
		if ctx.Err() != nil {
			return fmt.Errorf("disk: loop%d: %s is still mounted somewhere: %w", n, path, ctx.Err())
		}
		pause(ctx, wait)
	}
	return nil
}

// backing is the path of the file a loop device has, or had before it was deleted. A
// free device has none.
func backing(n int) string {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", n))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), " (deleted)")
}

// close removes the device nodes. The devices that the kernel made when none was free
// stay, free: removing one takes it 50 ms.
func (l *loops) close() error {
	return errors.Join(l.control.Close(), os.RemoveAll(l.dev))
}

// sweep unmounts, detaches and deletes what is in dir.
func sweep(dir string) error {
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(i.Mountpoint, dir+"/"), false
	})
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) { // what is mounted later may be on the earlier
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m.Mountpoint, err)
		}
	}
	// A pool has its folder of devices for as long as it has any; to look at all there are
	// takes milliseconds on a machine with a thousand.
	if _, err := os.Lstat(filepath.Join(dir, devFolder)); err == nil {
		if err := detachAll(dir); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ours(e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// detachAll makes loop devices let go of files in dir, now or when their last user goes.
func detachAll(dir string) error {
	for n := range countLoops() {
		if !strings.HasPrefix(backing(n), dir+"/") {
			continue
		}
		f, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) { // AUTOCLEAR has to do
			continue
		}
		if err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0)
		if errors.Is(err, unix.ENXIO) { // it has, since
			err = nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("detach loop%d: %w", n, err)
		}
	}
	return nil
}
