//go:build !race

package quickio

import (
	"syscall"
	"unsafe"
)

// once makes a system call with a buffer, again if a signal interrupts it. read and write
// ignore the fourth argument.
func once(trap, fd uintptr, p []byte, fourth uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), fourth, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
