//go:build linux

package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Most functions never write to their /tmp, and making an image, attaching, mounting and
// ending it again is most of what a sandbox costs. So a disk that nobody has left
// anything on is used again, by whoever comes next, as if it were new.

// traces is what could tell of a disk's last user. Blocks that were in use aren't among
// it: ext4 shows nobody what was in them before, and has the device forget them.
type traces struct {
	blocks, files uint64 // free
	rootSize      int64  // of the root folder, which grows with what is put into it
	links         uint64
	flags         int // of the root folder, as chattr sets them
	names         int // files and extended attributes, of which a fresh disk has none
}

// tracesOf looks at the disk mounted at path.
func tracesOf(path string) (traces, error) {
	var t traces
	root, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer root.Close() //nolint:errcheck // nothing was written
	fd := int(root.Fd())
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return t, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return t, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	t = traces{blocks: fs.Bfree, files: fs.Ffree, rootSize: stat.Size, links: uint64(stat.Nlink)} //nolint:unconvert // not 64 bits everywhere
	if t.flags, err = unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS); err != nil {
		return t, &os.PathError{Op: "get flags", Path: path, Err: err}
	}
	if t.names, err = unix.Flistxattr(fd, nil); err != nil {
		return t, &os.PathError{Op: "list attributes", Path: path, Err: err}
	}
	names, err := root.Readdirnames(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return t, err
	}
	t.names += len(names)
	return t, nil
}

// reuse makes a disk ready again, if it is as it was made; false when it has to end.
func (p *Pool) reuse(d *Disk) bool {
	if d.loop < 0 || d.size != AheadMB || !forgets(d.loop) {
		return false
	}
	left, err := tracesOf(d.path)
	if err != nil || left != d.fresh {
		return false
	}
	// Whose it was, and when it was touched.
	now := unix.NsecToTimespec(time.Now().UnixNano())
	err = errors.Join(os.Chown(d.path, 0, 0), os.Chmod(d.path, 0o700),
		unix.UtimesNanoAt(unix.AT_FDCWD, d.path, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW))
	if err != nil {
		return false
	}
	again := &Disk{pool: p, path: d.path, loop: d.loop, size: d.size, empty: d.empty, fresh: d.fresh}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.ready) >= p.ahead+spareDisks {
		return false
	}
	delete(p.disks, d)
	p.disks[again] = struct{}{}
	p.ready = append(p.ready, again)
	return true
}

// spareDisks is how many used ones are kept beyond those made ahead.
const spareDisks = 16

// forgets says whether a loop device gives the room of deleted files back: what one
// function has used must not stay taken by a disk that is kept.
func forgets(loop int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/queue/discard_max_bytes", loop))
	return err == nil && len(text) > 0 && text[0] != '0'
}
