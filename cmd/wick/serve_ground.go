package main

import (
	"context"

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
	go func() {
		defer close(g.opened)
		if g.driver, g.resolver, g.err = part.openDriver(driverID(s.c.DataDir)); g.err != nil {
			return
		}
		part.opened(g.driver.Close)
		discover := runtimes.Options{Dir: runtimesDir(s.c.DataDir), Walls: g.driver.Name() == "linux"}
		g.runtimes, g.err = runtimes.Discover(ctx, discover)
	}()
	return g
}
