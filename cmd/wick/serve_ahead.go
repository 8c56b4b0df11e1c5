package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wick-run/wick"
)

// What instances are booted ahead for when the server starts: first what the last one had
// booted, which is known before anything else of it is, then for what other languages the
// functions there are have.

// aheadEvery is how often it is noted what instances are booted ahead for.
const aheadEvery = 10 * time.Second

// aheadKinds is how many kinds are remembered at most, the ones used last: each boots an
// instance.
const aheadKinds = 16

// likeness names a function that instances booted ahead are like.
type likeness struct {
	wick.FunctionID
	Version string
}

func (s *server) aheadPath() string { return filepath.Join(s.c.DataDir, "ahead.json") }

// anticipateAgain has the fleet prepare for what it was prepared for before the last stop,
// and notes from now on what that is.
func (s *server) anticipateAgain(ctx context.Context, store wick.FunctionStore) {
	if s.c.Stems == 0 {
		return
	}
	var before []*wick.Function
	for _, l := range s.readAhead() {
		// One that has been deleted stands for nothing.
		if f, err := store.Function(ctx, l.FunctionID, l.Version); err == nil && f.State == wick.StateActive {
			before = append(before, f)
		}
	}
	s.fleet.Anticipate(before...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	s.opened(func() error { cancel(); return wait(done) })
	go func() {
		defer close(done)
		s.keepAhead(ctx)
	}()
}

// readAhead returns what the last server noted, the kind used last first. A file that
// can't be read costs the first event some milliseconds, and nothing else.
func (s *server) readAhead() []likeness {
	var all []likeness
	text, err := os.ReadFile(s.aheadPath())
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("what instances were booted ahead for is forgotten", "error", err)
		return nil
	}
	return all[:min(len(all), aheadKinds)]
}

// keepAhead notes what instances are booted ahead for, whenever that has changed and once
// more at the end.
func (s *server) keepAhead(ctx context.Context) {
	tick := time.NewTicker(aheadEvery)
	defer tick.Stop()
	var noted []likeness
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			over = true
		}
		var now []likeness
		for _, f := range s.fleet.Kinds() {
			now = append(now, likeness{f.FunctionID, f.Version})
		}
		now = now[:min(len(now), aheadKinds)]
		if slices.Equal(now, noted) || len(now) == 0 { // nothing is no news: all have been idle for long
			continue
		}
		if err := s.writeAhead(now); err != nil {
			s.log.Warn("it could not be noted what instances are booted ahead for", "error", err)
			continue
		}
		noted = now
	}
}

func (s *server) writeAhead(all []likeness) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	path := s.aheadPath()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// anticipate has the fleet prepare, in the background, for the functions there are.
func (s *server) anticipate() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.opened(func() error { cancel(); return wait(done) })
	go func() {
		defer close(done)
		known := make(map[string]bool)
		for _, f := range s.fleet.Kinds() {
			known[f.Runtime] = true
		}
		marker := ""
		for {
			page, next, err := s.control.Functions(ctx, wick.DefaultAccount, wick.DefaultRegion, marker, 100)
			if err != nil {
				if ctx.Err() == nil {
					s.log.Warn("the functions there are could not be prepared for", "error", err)
				}
				return
			}
			for _, f := range page {
				if !known[f.Runtime] {
					known[f.Runtime] = true
					s.fleet.Anticipate(f)
				}
			}
			if marker = next; marker == "" {
				return
			}
		}
	}()
}
