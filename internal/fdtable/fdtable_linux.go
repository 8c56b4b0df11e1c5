package fdtable

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// most is how many files there is to be room for: a thousand instances and their clients.
// The table takes the kernel eight bytes for each.
const most = 1 << 16

// Reserve makes room for 65,536 open files, or as many as the process may have. It takes
// some ten milliseconds, in which files can be opened where there is room already.
func Reserve() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	last := int(min(limit.Cur, most)) - 1
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, last)
	if err != nil {
		return fmt.Errorf("making room for %d open files: %w", last+1, err)
	}
	return unix.Close(fd)
}
