package quickio

import (
	"io"
	"net"
	"os"
	"syscall"
)

// maxBytes is how much is moved by one call: enough for nearly all messages, and few
// enough not to be missed by whoever waits for the thread.
const maxBytes = 64 << 10

// Conn is a net.Conn. Like others it may be read by one goroutine and written by another at
// the same time.
type Conn struct {
	net.Conn
	raw syscall.RawConn
	in  call
	out call
	// tryOut is out.try, but never waits.
	tryOut func(fd uintptr) bool
}

// call is a system call to be made when the socket is ready for it.
type call struct {
	p     []byte
	n     int
	errno syscall.Errno
	try   func(fd uintptr) (done bool) // made once, not a closure a call
}

// Wrap returns nc with quick reads and writes, or nc itself where that can't be had.
func Wrap(nc net.Conn) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	c := &Conn{Conn: nc, raw: raw}
	c.in.try = func(fd uintptr) bool { return c.in.make(syscall.SYS_READ, fd, 0) }
	c.out.try = func(fd uintptr) bool { return c.out.make(syscall.SYS_WRITE, fd, 0) }
	c.tryOut = func(fd uintptr) bool {
		_ = c.out.make(syscall.SYS_WRITE, fd, 0) // not ready: nothing is written
		return true
	}
	return c
}

// make makes the call; false: the socket isn't ready for it.
func (c *call) make(trap, fd, fourth uintptr) (done bool) {
	n, errno := once(trap, fd, c.p, fourth)
	if errno == syscall.EAGAIN {
		return false
	}
	c.n, c.errno = n, errno
	return true
}

// NetConn returns what was wrapped.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	c.in.p = p[:min(len(p), maxBytes)]
	err := c.raw.Read(c.in.try)
	c.in.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.in.errno != 0:
		return 0, os.NewSyscallError("read", c.in.errno)
	case c.in.n == 0:
		return 0, io.EOF
	}
	return c.in.n, nil
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		c.out.p = p[written:min(len(p), written+maxBytes)]
		err := c.raw.Write(c.out.try)
		c.out.p = nil
		if err != nil {
			return written, err
		}
		if c.out.errno != 0 {
			return written, os.NewSyscallError("write", c.out.errno)
		}
		written += c.out.n
	}
	return written, nil
}

// TryWrite writes as much as can be written without waiting.
func (c *Conn) TryWrite(p []byte) (int, error) {
	c.out.p, c.out.n, c.out.errno = p[:min(len(p), maxBytes)], 0, 0
	err := c.raw.Write(c.tryOut)
	c.out.p = nil
	if err == nil && c.out.errno != 0 {
		err = os.NewSyscallError("write", c.out.errno)
	}
	return c.out.n, err
}

// AwaitHangup blocks until the other side has ended the connection (true), has sent
// something, or the read deadline is over. It reads nothing; nobody may read meanwhile.
func (c *Conn) AwaitHangup() bool {
	var one [1]byte
	peek := call{p: one[:]}
	err := c.raw.Read(func(fd uintptr) bool {
		return peek.make(syscall.SYS_RECVFROM, fd, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && peek.n == 0
}
