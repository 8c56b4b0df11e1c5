package runtimeapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// ended returns when the server has hung up.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // fails when it has ended
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("not hung up on: %d bytes, %v", n, err)
	}
}

func TestAPollBehindAPollEndsTheConnection(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, false)
	send(t, c, pollNext+pollNext)
	parked := <-rt.next
	if gone := <-rt.gone; gone != parked {
		t.Error("another connection ended")
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the client reads %v", err)
	}
	if len(rt.next) != 0 {
		t.Error("the second poll was parked, too")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	var conns Conns
	defer conns.Close()
	for range maxConns {
		server, client := net.Pipe()
		defer client.Close() //nolint:errcheck // the test's own end
		conns.Go(server, &quiet{}, false)
	}
	server, client := net.Pipe()
	conns.Go(server, &quiet{}, false)
	ended(t, client)
}

func TestBodiesThatArriveAtOnceAreLimitedTogether(t *testing.T) {
	var conns Conns
	defer conns.Close()
	head := fmt.Sprintf("POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n", MaxResponseBytes)
	begin := func() net.Conn {
		server, client := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		conns.Go(server, &quiet{}, false)
		if err := client.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		send(t, client, head)
		return client
	}
	for range maxHeldBytes / MaxResponseBytes {
		send(t, begin(), "x") // taken in: there is room for the rest
	}
	ended(t, begin())
}

func TestWhatARequestTookUpIsFreeAfterIt(t *testing.T) {
	var conns Conns
	server, client := net.Pipe()
	conns.Go(server, &quiet{}, false)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	for range 10 {
		send(t, client, post("invocation/1/response", "", string(make([]byte, MaxResponseBytes))))
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	conns.Close()
	if held := conns.held.Load(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

func TestAConnectionTakenWhileOthersSettleDoesNotHoldThemUp(t *testing.T) {
	var conns Conns
	defer conns.Close()
	open := func() {
		server, client := net.Pipe()
		t.Cleanup(func() { _ = client.Close() }) // nobody writes or hangs up before
		conns.Go(server, &quiet{}, false)
	}
	open()
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		conns.Settle(300 * time.Millisecond)
	}()
	for begun := false; !begun; <-time.After(time.Millisecond) {
		conns.mu.Lock()
		begun = conns.empty != nil
		conns.mu.Unlock()
		select {
		case <-settled: // that was slow: the next one comes behind it
			begun = true
		default:
		}
	}
	open()
	<-settled
}

// failing is a listener that can't accept, then can, and then is closed.
type failing struct {
	net.Listener
	conns []net.Conn
	tries int
}

func (f *failing) Accept() (net.Conn, error) {
	f.tries++
	switch {
	case f.tries == 1:
		return nil, syscall.EMFILE
	case len(f.conns) > 0:
		c := f.conns[0]
		f.conns = f.conns[1:]
		return c, nil
	}
	return nil, net.ErrClosed
}

func TestServingGoesOnWhenTheServerWasShortOfDescriptors(t *testing.T) {
	rt := newRecorder()
	server, client := net.Pipe()
	var conns Conns
	Serve(&failing{conns: []net.Conn{server}}, rt, &conns)
	send(t, client, pollNext)
	<-rt.next
	conns.Close()
}
