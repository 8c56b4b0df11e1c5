//go:build !linux

package quickio

import (
	"net"
	"syscall"
)

// Wrap returns nc itself: quick reads and writes are Linux's.
func Wrap(nc net.Conn) net.Conn { return nc }

// Read reads a descriptor in non-blocking mode once; syscall.EAGAIN if there is nothing.
func Read(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err != syscall.EINTR { //nolint:errorlint // it is the system call's own
			return max(n, 0), err
		}
	}
}
