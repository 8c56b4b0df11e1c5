package process

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/wick-run/wick/sandbox"
)

// proc is a started command. It leads a session, by which its children are known.
type proc struct {
	os   *os.Process
	done chan struct{}
	// What follows is there once done is closed.
	exit sandbox.Exit
	cpu  time.Duration // used by it and the children it waited for
}

// run starts a command.
func (b *box) run(c sandbox.Command) (*proc, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close() // the command has its own by then
	files := []*os.File{null, null, null}
	if c.Stdout != nil {
		files[1] = c.Stdout
	}
	if c.Stderr != nil {
		files[2] = c.Stderr
	}
	env := c.Env
	if env == nil {
		env = []string{} // nil would be this process's own
	}
	attr := &os.ProcAttr{
		Dir: b.Path(c.Dir), Env: env, Files: append(files, c.Files...),
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	command := b.Path(c.Path)

	// Held over the start, so that KillAll and Close find what has begun.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fs.ErrClosed
	}
	p := &proc{done: make(chan struct{})}
	if p.os, err = b.driver.start.process(command, c.Args, attr); err != nil {
		return nil, err
	}
	b.running[p] = struct{}{}
	go p.wait(b)
	return p, nil
}

// wait ends by itself: KillAll, which Close calls, waits for it.
func (p *proc) wait(b *box) {
	state, err := p.os.Wait()
	if err == nil {
		p.cpu = state.UserTime() + state.SystemTime()
		status, _ := state.Sys().(syscall.WaitStatus)
		p.exit = sandbox.Exit{Code: status.ExitStatus()}
		if status.Signaled() {
			p.exit = sandbox.Exit{Code: -1, Signal: status.Signal()}
		}
	} else {
		p.exit.Code = -1 // somebody else has waited for it: how it ended isn't known
	}
	// Before anyone is told: a session without processes has no claim on its number.
	if alone(p) {
		b.lose(p)
	}
	close(p.done)
}

func (p *proc) PID() int              { return p.os.Pid }
func (p *proc) Done() <-chan struct{} { return p.done }

// Exit is the zero Exit until Done is closed.
func (p *proc) Exit() sandbox.Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return sandbox.Exit{}
	}
}

func (p *proc) Signal(sig syscall.Signal) error { return p.os.Signal(sig) }

// starter starts processes.
type starter struct {
	requests chan func()
	stop     func()
	stopped  sync.WaitGroup
}

// newStarter: a process that is to end when this one does (see dieWithParent) ends when
// the thread that started it does, so one thread, which stays, starts them all.
func newStarter() *starter {
	s := &starter{requests: make(chan func())}
	s.stop = sync.OnceFunc(func() { close(s.requests) })
	s.stopped.Go(func() {
		lockThread()
		for f := range s.requests {
			f()
		}
	})
	return s
}

func (s *starter) process(name string, args []string, attr *os.ProcAttr) (p *os.Process, err error) {
	dieWithParent(attr.Sys)
	done := make(chan struct{})
	s.requests <- func() {
		defer close(done)
		p, err = os.StartProcess(name, args, attr)
	}
	<-done
	return p, err
}

func (s *starter) close() {
	s.stop()
	s.stopped.Wait()
}

// kill signals one process or group; one that is gone has been signalled.
func kill(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
