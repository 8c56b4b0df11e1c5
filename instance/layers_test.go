package instance_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/wick-run/wick"
)

// held counts who holds which folder.
type held struct {
	folders
	mu    sync.Mutex
	holds map[string]int
}

func (h *held) hold(dir string, release func(), err error) (string, func(), error) {
	if err != nil {
		return "", nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds[dir]++
	return dir, func() {
		release()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.holds[dir]--
	}, nil
}

func (h *held) Acquire(ctx context.Context, sha string) (string, func(), error) {
	return h.hold(h.folders.Acquire(ctx, sha))
}

func (h *held) AcquireLayers(ctx context.Context, shas []string) (string, func(), error) {
	return h.hold(h.folders.AcquireLayers(ctx, shas))
}

// counts returns the holds on a folder each.
func (h *held) counts() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []int
	for _, n := range h.holds {
		all = append(all, n)
	}
	return all
}

func TestAnInstanceHoldsItsCodeAndLayersUntilItIsStopped(t *testing.T) {
	s := newStage(t)
	h := &held{folders: s.code, holds: map[string]int{}}
	s.host.Code = h
	f := s.function(t, "provided.al2023", "unused", "x")
	opt := t.TempDir()
	// A runtime that waits for events and gets none.
	if err := os.WriteFile(filepath.Join(opt, "bootstrap"), []byte(`#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3
cat <&3
`), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	f.Layers = []wick.FunctionLayer{{ARN: "one", Code: wick.Package{SHA256: "1"}}, {ARN: "two", Code: wick.Package{SHA256: "2"}}}
	s.code[wick.MergedLayers([]string{"1", "2"})] = opt
	i := s.bring(t, f)
	if state := i.State(); state != wick.InstanceIdle && state != wick.InstanceFrozen {
		t.Errorf("with its bootstrap in a layer it is %s\n%s", state, s.events.text())
	}
	if got := h.counts(); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("while it lives: %v holds", got)
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	if got := h.counts(); !slices.Equal(got, []int{0, 0}) {
		t.Errorf("when it is stopped: %v holds", got)
	}
}

func TestLayersThatCantBeHadKeepAnInstanceFromBeingAssigned(t *testing.T) {
	s := newStage(t)
	h := &held{folders: s.code, holds: map[string]int{}}
	s.host.Code = h
	f := s.function(t, "provided.al2023", "bootstrap", "#!/bin/sh\n")
	f.Layers = []wick.FunctionLayer{{ARN: "gone", Code: wick.Package{SHA256: "gone"}}}
	plan, err := s.host.Plan(f)
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.host.Boot(t.Context(), plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Assign(t.Context(), plan, f); err == nil {
		t.Error("it was assigned")
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	if got := h.counts(); !slices.Equal(got, []int{0}) {
		t.Errorf("when it is stopped: %v holds", got)
	}
}
