//go:build !linux

package main

import (
	"path/filepath"

	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/process"
)

// enterIsolation has nothing to prepare on this system.
func enterIsolation(config) error { return nil }

// hasWalls says whether the driver that openDriver opens has any.
func hasWalls(config) bool { return false }

// openDriver opens the one sandbox driver there is for this system.
func (s *server) openDriver(string) (sandbox.Driver, instance.Resolver, error) {
	d, err := process.New(filepath.Join(s.c.DataDir, "sandboxes"))
	return d, nil, err
}
