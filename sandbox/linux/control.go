//go:build linux

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Requests to wick-init and its replies; see init/init.c for what each carries.
const (
	requestRun    = 1
	requestStart  = 2
	requestSignal = 3
	requestLast   = 4

	replyDone    = 1
	replyStarted = 2
	replyExited  = 3
	replySync    = 9 // written by the scripts of setup themselves

	messageSize = 16
)

// errLost is what a request gets when the sandbox's first process is gone.
var errLost = errors.New("the sandbox has ended")

// message is a request or a reply.
type message struct {
	kind, id uint32
	a, b     int32
}

func (m message) encode() []byte {
	b := make([]byte, 0, messageSize)
	b = binary.NativeEndian.AppendUint32(b, m.kind)
	b = binary.NativeEndian.AppendUint32(b, m.id)
	b = binary.NativeEndian.AppendUint32(b, uint32(m.a))
	return binary.NativeEndian.AppendUint32(b, uint32(m.b))
}

func decodeMessage(b []byte) message {
	e := binary.NativeEndian
	return message{e.Uint32(b), e.Uint32(b[4:]), int32(e.Uint32(b[8:])), int32(e.Uint32(b[12:]))}
}

// control is the conversation with the first process of one sandbox.
type control struct {
	conn *net.UnixConn
	sync chan struct{} // a setup script waits to be let on
	lost chan struct{} // closed when the first process is gone and all it said was heard

	mu       sync.Mutex // guards what follows
	id       uint32
	waiting  map[uint32]*request
	commands map[int32]*process // by their pid in the sandbox
	gone     bool
}

// request is one that waits for its reply.
type request struct {
	command *process // to be known by its pid from the moment it has one
	done    chan struct{}
	reply   message
	pidfd   int
}

func newControl(conn *net.UnixConn) *control {
	c := &control{
		conn: conn, sync: make(chan struct{}, 1), lost: make(chan struct{}),
		waiting: map[uint32]*request{}, commands: map[int32]*process{},
	}
	go c.read()
	return c
}

// close ends the conversation, and with it the sandbox's first process.
func (c *control) close() {
	c.conn.Close() // an error means it is closed
	<-c.lost
}

// read hears init until it is gone.
func (c *control) read() {
	defer close(c.lost)
	buf, oob := make([]byte, messageSize), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := c.conn.ReadMsgUnix(buf, oob)
		if err != nil || n != messageSize {
			c.fail()
			return
		}
		m := decodeMessage(buf)
		switch m.kind {
		case replySync:
			c.sync <- struct{}{}
		case replyExited:
			c.mu.Lock()
			p := c.commands[m.a]
			delete(c.commands, m.a)
			c.mu.Unlock()
			if p != nil {
				p.ended(unix.WaitStatus(m.b))
			}
		case replyDone, replyStarted:
			pidfd := receivedFD(oob[:oobn])
			c.mu.Lock()
			r := c.waiting[m.id]
			delete(c.waiting, m.id)
			if r != nil && r.command != nil && m.b == 0 {
				c.commands[m.a] = r.command
			}
			c.mu.Unlock()
			if r == nil {
				if pidfd >= 0 {
					unix.Close(pidfd)
				}
				continue
			}
			r.reply, r.pidfd = m, pidfd
			close(r.done)
		}
	}
}

func receivedFD(oob []byte) int {
	if len(oob) == 0 {
		return -1
	}
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(list) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	return fds[0]
}

// fail ends everything that waits: with init gone, the kernel has killed the rest.
func (c *control) fail() {
	c.mu.Lock()
	c.gone = true
	waiting, commands := c.waiting, c.commands
	c.waiting, c.commands = nil, nil
	c.mu.Unlock()
	for _, r := range waiting {
		close(r.done)
	}
	for _, p := range commands {
		p.ended(unix.WaitStatus(unix.SIGKILL))
	}
}

// send sends a request with descriptors and returns what will have its reply.
func (c *control) send(m message, command *process, files ...*os.File) (*request, error) {
	r := &request{command: command, done: make(chan struct{}), pidfd: -1}
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return nil, errLost
	}
	c.id++
	m.id = c.id
	c.waiting[m.id] = r
	c.mu.Unlock()

	if err := sendFiles(c.conn, m, files); err != nil {
		c.mu.Lock()
		delete(c.waiting, m.id)
		c.mu.Unlock()
		if errors.Is(err, unix.EPIPE) || errors.Is(err, net.ErrClosed) {
			return nil, errLost
		}
		return nil, fmt.Errorf("ask the sandbox's first process: %w", err)
	}
	return r, nil
}

// wait returns the reply.
func (r *request) wait() (message, error) {
	<-r.done
	if r.reply.kind == 0 {
		return message{}, errLost
	}
	return r.reply, nil
}

// run has a script run by the first process itself. Files are those the script names,
// from 1 up. Where the script stops to be synchronised, between is called.
func (c *control) run(kind uint32, s *script, between func() error, files ...*os.File) error {
	text := s.encode()
	memory, err := memoryFile("wick-script", text)
	if err != nil {
		return err
	}
	defer memory.Close()
	r, err := c.send(message{kind: kind, b: int32(len(text))}, nil, append([]*os.File{memory}, files...)...)
	if err != nil {
		return err
	}
	if between != nil {
		select {
		case <-c.sync:
			if err := between(); err != nil {
				return err
			}
			if _, err := c.conn.Write([]byte{1}); err != nil {
				return fmt.Errorf("let the sandbox's first process go on: %w", err)
			}
		case <-r.done:
		}
	}
	m, err := r.wait()
	if err != nil {
		return err
	}
	if m.b != 0 {
		return s.failed(m.a, m.b)
	}
	return nil
}

// signal sends a signal to every process in the sandbox but the first. For SIGKILL,
// the reply comes when they are gone.
func (c *control) signal(sig unix.Signal) (*request, error) {
	return c.send(message{kind: requestSignal, a: int32(sig)}, nil)
}
