package instance

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// Preparer does, in the background and one after the other, what lets instances start
// faster: it makes the archives of the runtimes that are in use (runtimes.Set.Prepare) and
// compiles functions' packages and layers ahead (runtimes.Set.MakePack). Each is done in a
// sandbox of its own, without network, and without anything of a function's but its code,
// which isn't run.
type Preparer struct {
	driver   sandbox.Driver
	runtimes *runtimes.Set
	code     Code
	log      *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	queue  chan preparation
	done   chan struct{}

	mu   sync.Mutex
	seen map[string]bool // preparations that are queued or under way, and archives tried before
}

// preparation is something to do once.
type preparation struct {
	key string
	// again says that, once done, it may be asked for again.
	again bool
	// what names it in the log, with what it is of.
	what []any
	do   func() error
}

// Limits of the work: it takes half a CPU from those who wait for one, and less when the
// CPUs are busy.
const (
	prepareLimit     = time.Minute
	prepareCPUMilli  = 500
	prepareWeight    = sandbox.UsualWeight / 8
	prepareBytes     = 1 << 30
	prepareProcesses = 256
	prepareQueue     = 64
)

// NewPreparer starts a preparer; its Close ends it.
func NewPreparer(driver sandbox.Driver, set *runtimes.Set, code Code, log *slog.Logger) *Preparer {
	p := &Preparer{
		driver: driver, runtimes: set, code: code, log: log,
		queue: make(chan preparation, prepareQueue), done: make(chan struct{}), seen: map[string]bool{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.work()
	return p
}

// Prepare has a function's package and layers compiled ahead, unless they are already.
func (p *Preparer) Prepare(f *wick.Function) {
	m, err := p.runtimes.Match(f.Runtime, false)
	if err != nil {
		return // invoking it will say why
	}
	for _, t := range treesOf(f) {
		p.pack(m, t)
	}
}

// wantArchive has a match's archive made, unless that was tried before.
func (p *Preparer) wantArchive(m runtimes.Match) {
	if p == nil {
		return
	}
	p.want(preparation{
		key: "archive " + m.StemKey(), what: []any{"runtime", m.Runtime},
		do: func() error {
			if !p.runtimes.CanPrepare(m) {
				return nil
			}
			return p.runtimes.Prepare(m, func(c runtimes.Command, out *os.File) error { return p.run(mountsOf(m), c, out) })
		},
	})
}

// pack returns the folder with what was compiled of a tree for m. Where that is "", it may
// be there for a later instance.
func (p *Preparer) pack(m runtimes.Match, t tree) string {
	if p == nil {
		return ""
	}
	folder, missing := p.runtimes.Pack(m, t.Tree)
	if missing {
		p.want(preparation{
			key: "pack " + m.StemKey() + " " + t.Target + " " + t.Name, again: true, what: []any{"runtime", m.Runtime, "package", t.Name},
			do: func() error { return p.makePack(m, t) },
		})
	}
	return folder
}

func (p *Preparer) makePack(m runtimes.Match, t tree) error {
	dir, release, err := t.acquire(p.ctx, p.code)
	if err != nil {
		return err
	}
	defer release()
	return p.runtimes.MakePack(m, t.Tree, dir, func(c runtimes.Command, out *os.File) error {
		return p.run(append(mountsOf(m), sandbox.Mount{Source: dir, Target: t.Target}), c, out)
	})
}

// want queues a preparation, unless it is queued or was done.
func (p *Preparer) want(what preparation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[what.key] {
		return
	}
	select {
	case p.queue <- what:
		p.seen[what.key] = true
	default: // the next start will ask again
	}
}

func (p *Preparer) work() {
	defer close(p.done)
	for {
		select {
		case what := <-p.queue:
			if err := what.do(); err != nil && p.ctx.Err() == nil {
				p.log.Warn("starts will be slower than they could be", append(what.what, "error", err)...)
			}
			if what.again {
				p.mu.Lock()
				delete(p.seen, what.key)
				p.mu.Unlock()
			}
		case <-p.ctx.Done():
			return
		}
	}
}

// run runs a command in a sandbox of its own.
func (p *Preparer) run(mounts []sandbox.Mount, c runtimes.Command, out *os.File) (err error) {
	ctx, cancel := context.WithTimeout(p.ctx, prepareLimit)
	defer cancel()
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
	if err := box.Weigh(prepareWeight); err != nil {
		return err
	}
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

// mountsOf are a match's mounts, as a sandbox takes them.
func mountsOf(m runtimes.Match) []sandbox.Mount {
	mounts := make([]sandbox.Mount, len(m.Mounts), len(m.Mounts)+1)
	for n, mount := range m.Mounts {
		mounts[n] = sandbox.Mount{Source: mount.Source, Target: mount.Target}
	}
	return mounts
}

// Close ends the work under way and returns when nothing is left of it. It can be called
// twice.
func (p *Preparer) Close() error {
	p.cancel()
	<-p.done
	return nil
}
