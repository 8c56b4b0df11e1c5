package instance

import (
	"os"

	"golang.org/x/sys/unix"
)

// growPipe makes a pipe hold grownPipe. A system that refuses leaves it as it is, which is
// slower and no more.
func growPipe(w *os.File) {
	rc, err := w.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, grownPipe) }) // the file is open
}
