package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// A server has instances booted ahead for what the last one had, before anybody asks.
func TestAServerAnticipatesWhatTheLastOneDid(t *testing.T) {
	c := config{
		Addr: "127.0.0.1:0", DataDir: t.TempDir(), Concurrency: 10, IdleTimeout: time.Minute, Stems: 1,
		MaxLifetime: time.Hour, QueueWait: time.Minute, Grace: time.Second,
		Isolation: "process", Forward: forwards{},
	}
	serve := func(do func(*server)) {
		t.Helper()
		s, err := openServer(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		do(s)
		if err := s.close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	// likely are what a server starts with.
	likely := func() []likeness {
		s := &server{c: c, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		return s.readAhead()
	}
	function := func(name string, tmp int) *wick.Function {
		return &wick.Function{
			FunctionID: wick.FunctionID{Account: wick.DefaultAccount, Region: wick.DefaultRegion, Name: name},
			Version:    wick.Latest, Runtime: "provided.al2023", Handler: "h", TimeoutSeconds: 3, MemoryMB: 128, EphemeralMB: tmp,
			State: wick.StateActive, Architecture: "x86_64", PackageType: "Zip",
		}
	}
	kept, gone := function("kept", 512), function("gone", 1024)
	serve(func(s *server) {
		for _, f := range []*wick.Function{kept, gone} {
			if err := s.store.CreateFunction(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		s.fleet.Anticipate(gone, kept)
	})
	if got := likely(); len(got) != 2 || got[0].Name != "gone" || got[1].Name != "kept" || got[0].Version != wick.Latest {
		t.Fatalf("at its end the server noted %+v", got)
	}
	serve(func(s *server) {
		if kinds := s.fleet.Kinds(); len(kinds) != 2 || kinds[0].Name != "gone" {
			t.Errorf("the next one prepares for %d kinds", len(kinds))
		}
		if err := s.store.DeleteFunction(t.Context(), gone.FunctionID); err != nil {
			t.Fatal(err)
		}
	})
	serve(func(s *server) {
		if kinds := s.fleet.Kinds(); len(kinds) != 1 || kinds[0].Name != "kept" {
			t.Errorf("after one was deleted, the next one prepares for %d kinds", len(kinds))
		}
	})

	// What can't be read is forgotten.
	if err := os.WriteFile((&server{c: c}).aheadPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := likely(); len(got) != 0 {
		t.Errorf("of a broken file it has %+v", got)
	}
	serve(func(*server) {})

	c.Stems = 0
	serve(func(s *server) {
		if kinds := s.fleet.Kinds(); len(kinds) != 0 {
			t.Errorf("with --stems 0 it prepares for %d kinds", len(kinds))
		}
	})
}
