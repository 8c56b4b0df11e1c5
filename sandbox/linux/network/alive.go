//go:build linux

package network

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A pool shows that it is alive by a Unix socket with an abstract name: the kernel
// closes it with the process, however that ends, and its names are those of the
// network namespace, as are the rules and links whose owner it tells.
func aliveName(id string) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: "@wick-network-" + id}
}

// showAlive makes the socket of a pool, for closing when nothing of the pool is left.
// It fails when there is a pool of this ID. Where somebody without privileges has
// taken the name, there is no socket: fd is -1.
func showAlive(id string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = unix.Bind(fd, aliveName(id))
	if err == nil {
		if err = unix.Listen(fd, unix.SOMAXCONN); err == nil {
			return fd, nil
		}
	}
	unix.Close(fd)
	switch {
	case !errors.Is(err, unix.EADDRINUSE):
		return -1, fmt.Errorf("show that the pool is alive: %w", err)
	case isAlive(id):
		return -1, fmt.Errorf("there is an open network pool of the ID %s already", id)
	}
	return -1, nil
}

// isAlive reports whether there is a pool of an ID, in this process or another.
func isAlive(id string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return true // better leave it
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, aliveName(id)); err != nil {
		// EAGAIN: so many have asked that its queue is full.
		return !errors.Is(err, unix.ECONNREFUSED)
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	// Anybody can take a name; only who could have made rules counts.
	return err != nil || peer.Uid == 0 || int(peer.Uid) == unix.Geteuid()
}
