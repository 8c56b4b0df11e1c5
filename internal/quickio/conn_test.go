package quickio_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/wick-run/wick/internal/quickio"
)

// pair returns two ends of a connection over network, the first of them quick.
func pair(t *testing.T, network string) (quick, plain net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/socket"
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // a test's
	plain, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nc.Close()
		_ = plain.Close()
	})
	return quickio.Wrap(nc), plain
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			quick, plain := pair(t, network)
			sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than a socket holds
			for _, way := range []struct{ from, to net.Conn }{{quick, plain}, {plain, quick}} {
				wrote := make(chan error, 1)
				go func() {
					n, err := way.from.Write(sent)
					if err == nil && n != len(sent) {
						err = io.ErrShortWrite
					}
					wrote <- err
				}()
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(way.to, got); err != nil {
					t.Fatal(err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				if !bytes.Equal(got, sent) {
					t.Error("something else came")
				}
			}
		})
	}
}

func TestTheEndsOfAConnection(t *testing.T) {
	quick, plain := pair(t, "unix")
	if err := quick.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := quick.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind its deadline a read came to %v", err)
	}
	if err := quick.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := quick.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end a read came to %d, %v", n, err)
	}
	if _, err := quick.Write([]byte("x")); err == nil {
		t.Error("nobody reads, but a write went well")
	}
	if err := quick.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := quick.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read of a closed one came to %v", err)
	}
}

// hangup is what a quick connection has beside net.Conn's, where there are quick ones.
type hangup interface{ AwaitHangup() bool }

func TestAHangupIsSeenAndReadsNothing(t *testing.T) {
	quick, plain := pair(t, "tcp")
	h, ok := quick.(hangup)
	if !ok {
		t.Skip("no quick connections on this system")
	}
	if _, err := plain.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if h.AwaitHangup() {
		t.Error("something was sent, and taken for a hangup")
	}
	if _, err := quick.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	seen := make(chan bool, 1)
	go func() { seen <- h.AwaitHangup() }()
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	if !<-seen {
		t.Error("a hangup wasn't seen")
	}
}
