package quickio

import (
	"syscall"
	"unsafe"
)

// Read reads a descriptor in non-blocking mode once; syscall.EAGAIN if there is nothing.
// Whoever calls it keeps the descriptor from being closed meanwhile.
func Read(fd uintptr, p []byte) (int, error) {
	return once(syscall.SYS_READ, fd, p, 0)
}

// ReadAt reads a file once that is read without delay, such as one of a control group.
// Whoever calls it keeps the descriptor from being closed meanwhile.
func ReadAt(fd uintptr, p []byte, offset int64) (int, error) {
	return once(syscall.SYS_PREAD64, fd, p, uintptr(offset))
}

func once(trap, fd uintptr, p []byte, fourth uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), fourth, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
