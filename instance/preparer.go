package instance

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// Preparer does, in the background and one after the other, what lets the runtimes that are
// in use start faster: see runtimes.Set.Prepare.
type Preparer struct {
	driver   sandbox.Driver
	runtimes *runtimes.Set
	log      *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	queue  chan runtimes.Match
	done   chan struct{}

	mu   sync.Mutex
	seen map[string]bool // what has been queued, whatever became of it, by StemKey
}

// Limits of the work: it takes half a CPU from those who wait for one.
const (
	prepareLimit     = time.Minute
	prepareCPUMilli  = 500
	prepareBytes     = 1 << 30
	prepareProcesses = 256
	prepareQueue     = 16
)

// NewPreparer starts a preparer; its Close ends it.
func NewPreparer(driver sandbox.Driver, set *runtimes.Set, log *slog.Logger) *Preparer {
	p := &Preparer{
		driver: driver, runtimes: set, log: log,
		queue: make(chan runtimes.Match, prepareQueue), done: make(chan struct{}), seen: map[string]bool{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.work()
	return p
}

// want has a match prepared, unless that was tried before.
func (p *Preparer) want(m runtimes.Match) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := m.StemKey()
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	if !p.runtimes.CanPrepare(m) {
		return
	}
	select {
	case p.queue <- m:
	default: // the next start will ask again
		delete(p.seen, key)
	}
}

func (p *Preparer) work() {
	defer close(p.done)
	for {
		select {
		case m := <-p.queue:
			err := p.runtimes.Prepare(m, func(c runtimes.Command, out *os.File) error { return p.run(m, c, out) })
			if err != nil && p.ctx.Err() == nil {
				p.log.Warn("starts will be slower than they could be", "runtime", m.Runtime, "error", err)
			}
		case <-p.ctx.Done():
			return
		}
	}
}

// run runs a command in a sandbox of its own.
func (p *Preparer) run(m runtimes.Match, c runtimes.Command, out *os.File) (err error) {
	ctx, cancel := context.WithTimeout(p.ctx, prepareLimit)
	defer cancel()
	mounts := make([]sandbox.Mount, len(m.Mounts))
	for n, mount := range m.Mounts {
		mounts[n] = sandbox.Mount{Source: mount.Source, Target: mount.Target}
	}
	box, err := p.driver.Create(ctx, sandbox.Spec{
		ID: newID()[:16], Hostname: "localhost", Mounts: mounts, TmpMB: defaultTmpMB,
		Limits: sandbox.Limits{MemoryBytes: prepareBytes, CPUMilli: prepareCPUMilli, Processes: prepareProcesses},
	})
	if err != nil {
		return fmt.Errorf("making a sandbox: %w", err)
	}
	defer func() {
		if closed := box.Close(); err == nil {
			err = closed
		}
	}()
	process, err := box.Start(sandbox.Command{Path: c.Path, Args: c.Args, Env: c.Env, Dir: c.Dir, Stdout: out})
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	if exit := process.Exit(); exit.Code != 0 {
		return fmt.Errorf("it ended with status %d, signal %d, out of memory: %t", exit.Code, exit.Signal, exit.OOM)
	}
	return nil
}

// Close ends the work under way and returns when nothing is left of it. It can be called
// twice.
func (p *Preparer) Close() error {
	p.cancel()
	<-p.done
	return nil
}
