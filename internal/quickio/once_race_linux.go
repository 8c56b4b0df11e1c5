//go:build race

package quickio

import (
	"errors"
	"syscall"
	"unsafe"
)

// once makes a system call with a buffer, again if a signal interrupts it. Reads and
// writes are package syscall's: the race detector takes them for what they are, and that
// one is behind the other.
func once(trap, fd uintptr, p []byte, fourth uintptr) (int, syscall.Errno) {
	for {
		var n int
		var err error
		switch trap {
		case syscall.SYS_READ:
			n, err = syscall.Read(int(fd), p)
		case syscall.SYS_WRITE:
			n, err = syscall.Write(int(fd), p)
		default:
			r, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), fourth, 0, 0)
			if n = int(r); errno != 0 {
				err = errno
			}
		}
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			return n, 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
