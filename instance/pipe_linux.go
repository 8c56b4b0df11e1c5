package instance

import "golang.org/x/sys/unix"

// growPipe makes a pipe hold grownPipe and returns how much it then holds. A system that
// refuses leaves it as it is, which is slower and no more.
func growPipe(fd int) int {
	if n, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, grownPipe); err == nil {
		return n
	}
	return pipeBytes
}
