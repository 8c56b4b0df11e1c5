package main

import (
	"context"
	"errors"
	"sync"

	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/runtimes"
	"github.com/wick-run/wick/sandbox"
)

// ground is what instances stand on: sandboxes, and the machine's interpreters. It opens
// while the stores do, since neither knows of the other and both wait a lot.
type ground struct {
	opened   chan struct{} // closed when the rest is there
	driver   sandbox.Driver
	resolver instance.Resolver
	runtimes *runtimes.Set
	err      error
}

// openGround begins to open the ground. The server closes it.
func (s *server) openGround(ctx context.Context) *ground {
	g := &ground{opened: make(chan struct{})}
	part := &server{c: s.c, log: s.log} // so that nobody else touches its closers
	s.opened(func() error { <-g.opened; return part.closeAll() })
	var both sync.WaitGroup
	var failed error
	both.Go(func() {
		discover := runtimes.Options{Dir: runtimesDir(s.c.DataDir), Walls: hasWalls(s.c)}
		g.runtimes, failed = runtimes.Discover(ctx, discover)
	})
	both.Go(func() {
		if g.driver, g.resolver, g.err = part.openDriver(driverID(s.c.DataDir)); g.err == nil {
			part.opened(g.driver.Close)
		}
	})
	go func() {
		both.Wait()
		g.err = errors.Join(g.err, failed)
		close(g.opened)
	}()
	return g
}
