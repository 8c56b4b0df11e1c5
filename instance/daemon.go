package instance

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wick-run/wick"
)

// Traces takes what functions send to the X-Ray daemon's address.
type Traces interface {
	// Datagram takes a datagram of a function's. It must not block, nor keep b.
	Datagram(src *wick.Source, b []byte)
	// Drop counts datagrams that one function sent too fast to be looked at.
	Drop(n int)
}

// Bounds of what one instance can make the server look at in a second. Source: X-Ray
// quotas, segments per second; of the bytes, which take longer to read, Wick's own.
const (
	maxDatagramsPerSecond     = 2600
	maxDatagramBytesPerSecond = 8 << 20
)

// datagrams are buffers for the largest there can be, held only while one is read: an
// instance that sends nothing costs no memory.
var datagrams = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// receiveSegments hands on what a function sends until the socket is closed.
func (i *Instance) receiveSegments(pc net.PacketConn, to Traces) {
	c, ok := pc.(syscall.Conn)
	if !ok {
		i.host.Log.Error("the X-Ray daemon's socket can't be read", "instance", i.id)
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return // closed already
	}
	var rate datagramRate
	// The callback is called whenever something has come; an error means that the
	// socket was closed, which is how this ends.
	_ = raw.Read(func(fd uintptr) bool {
		for i.receiveSegment(int(fd), func(b []byte) {
			if !rate.takes(len(b), time.Now()) {
				to.Drop(1)
			} else if src := i.journal.source(); src != nil {
				to.Datagram(src, b)
			}
		}) {
		}
		return false
	})
}

// datagramRate is what has come in a second.
type datagramRate struct {
	began        time.Time
	count, bytes int
}

// takes counts a datagram, and says whether it is within the bounds.
func (r *datagramRate) takes(size int, now time.Time) bool {
	if now.Sub(r.began) >= time.Second {
		*r = datagramRate{began: now}
	}
	r.count, r.bytes = r.count+1, r.bytes+size
	return r.count <= maxDatagramsPerSecond && r.bytes <= maxDatagramBytesPerSecond
}

// receiveSegment reads one datagram, if there is one, and says whether there may be more.
func (i *Instance) receiveSegment(fd int, take func([]byte)) (more bool) {
	bp, _ := datagrams.Get().(*[]byte) // nothing else is in there
	defer datagrams.Put(bp)
	n, _, err := unix.Recvfrom(fd, *bp, unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EINTR):
		return true
	case err != nil:
		return false
	}
	take((*bp)[:n])
	return true
}
