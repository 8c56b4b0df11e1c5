package quickio

import "syscall"

// Read reads a descriptor in non-blocking mode once; syscall.EAGAIN if there is nothing.
// Whoever calls it keeps the descriptor from being closed meanwhile.
func Read(fd uintptr, p []byte) (int, error) { return asError(once(syscall.SYS_READ, fd, p, 0)) }

// ReadAt reads a file once that is read without delay, such as one of a control group.
// Whoever calls it keeps the descriptor from being closed meanwhile.
func ReadAt(fd uintptr, p []byte, offset int64) (int, error) {
	return asError(once(syscall.SYS_PREAD64, fd, p, uintptr(offset)))
}

func asError(n int, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}
