package main

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/linux"
	"github.com/wick-run/wick/sandbox/linux/network"
	"github.com/wick-run/wick/sandbox/process"
)

// slotsAhead is how many network slots and /tmp volumes are kept ready.
const slotsAhead = 4

// enterIsolation makes this process's mounts its own, so that none outlives it. It
// executes the program once more, and so is called before anything is opened.
func enterIsolation(c config) error {
	if c.Isolation == "process" {
		return nil
	}
	if err := os.Setenv(startedVariable, strconv.FormatInt(startOfProcess().UnixNano(), 10)); err != nil {
		return err
	}
	return linux.EnterPrivateMounts()
}

// hasWalls says whether the driver that openDriver opens has any.
func hasWalls(c config) bool { return c.Isolation != "process" }

// openDriver opens the sandbox driver asked for, and what answers DNS queries inside.
func (s *server) openDriver(id string) (sandbox.Driver, instance.Resolver, error) {
	dir := filepath.Join(s.c.DataDir, "sandboxes")
	if s.c.Isolation == "process" {
		d, err := process.New(dir)
		return d, nil, err
	}
	d, err := linux.New(linux.Options{ID: id, Dir: dir, Egress: s.c.Egress, Ahead: slotsAhead, Log: s.log})
	if err != nil {
		return nil, nil, err
	}
	if !s.c.Egress {
		return d, nil, nil
	}
	resolver := network.NewResolver(s.log)
	s.opened(resolver.Close)
	return d, resolver, nil
}
