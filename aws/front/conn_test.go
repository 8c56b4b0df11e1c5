package front

import (
	"io"
	"net"
	"net/http"
	"testing"
)

// asking is a connection that calls a function before it says that there is no more.
type asking struct {
	net.Conn
	ask func()
}

func (a *asking) Read([]byte) (int, error) {
	a.ask()
	return 0, io.EOF
}

func TestAHeadWhoseBeginningCameWithTheLastRequestHasBegun(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()   //nolint:errcheck // a test's
	defer theirs.Close() //nolint:errcheck // a test's
	nc := &asking{Conn: ours}
	c := newConn(New(Options{HTTP: &http.Server{}}), nc)
	asked := false
	nc.ask = func() {
		if asked = true; !c.begun.Load() {
			t.Error("it is waited for as if the connection were idle")
		}
	}
	c.at, c.end = 4, 4+copy(c.buf[4:], "POST /he")
	if _, err := c.readHead(); err == nil || !asked {
		t.Errorf("half a head came to %v", err)
	}
}
