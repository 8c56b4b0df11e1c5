package instance

import (
	"os"

	"golang.org/x/sys/unix"
)

// grownPipe is how much a log pipe holds: what a function prints in some milliseconds at
// its fastest, so that it isn't held up when its reader has to wait for a core.
const grownPipe = 1 << 20

// growPipe makes a pipe hold more. A system that refuses leaves it as it is, which is
// slower and no more.
func growPipe(w *os.File) {
	rc, err := w.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, grownPipe) }) // the file is open
}
