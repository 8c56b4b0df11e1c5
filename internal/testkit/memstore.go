// Package testkit holds what the tests of several packages share: fakes for the edges
// of the process, each written once.
package testkit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wick-run/wick"
)

// MemStore is a wick.FunctionStore and wick.LayerStore that keeps all in memory, for
// tests of what stands on one. The zero value is empty and ready.
type MemStore struct {
	mu        sync.Mutex
	layers    map[wick.LayerID]*memLayers                   // guarded by mu
	functions map[wick.FunctionID]map[string]*wick.Function // by version; guarded by mu
}

var _ wick.FunctionStore = (*MemStore)(nil)

// CreateFunction implements wick.FunctionStore.
func (s *MemStore) CreateFunction(ctx context.Context, f *wick.Function) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.functions == nil {
		s.functions = map[wick.FunctionID]map[string]*wick.Function{}
	}
	if s.functions[f.FunctionID][f.Version] != nil {
		return wick.Errorf(wick.Conflict, "function exists: %s", f.Name)
	}
	if s.functions[f.FunctionID] == nil {
		s.functions[f.FunctionID] = map[string]*wick.Function{}
	}
	f.ConfigHash = configHash(f)
	s.functions[f.FunctionID][f.Version] = clone(f)
	return nil
}

// Function implements wick.FunctionStore.
func (s *MemStore) Function(ctx context.Context, id wick.FunctionID, version string) (*wick.Function, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[id][version]
	if f == nil {
		return nil, wick.Errorf(wick.NotFound, "no such function: %s", id.QualifiedARN(version))
	}
	return clone(f), nil
}

// UpdateFunction implements wick.FunctionStore.
func (s *MemStore) UpdateFunction(
	ctx context.Context, id wick.FunctionID, version string, change func(*wick.Function) error,
) (*wick.Function, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[id][version]
	if f == nil {
		return nil, wick.Errorf(wick.NotFound, "no such function: %s", id.QualifiedARN(version))
	}
	f = clone(f)
	if err := change(f); err != nil {
		return nil, err
	}
	f.ConfigHash = configHash(f)
	s.functions[id][version] = f
	return clone(f), nil
}

// DeleteFunction implements wick.FunctionStore.
func (s *MemStore) DeleteFunction(ctx context.Context, id wick.FunctionID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.functions[id] == nil {
		return wick.Errorf(wick.NotFound, "no such function: %s", id.ARN())
	}
	delete(s.functions, id)
	return nil
}

// Functions implements wick.FunctionStore.
func (s *MemStore) Functions(ctx context.Context, account, region, after string, limit int) ([]*wick.Function, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var fs []*wick.Function
	for id, versions := range s.functions {
		if id.Account == account && id.Region == region && id.Name > after && versions[wick.Latest] != nil {
			fs = append(fs, clone(versions[wick.Latest]))
		}
	}
	slices.SortFunc(fs, func(a, b *wick.Function) int { return cmp.Compare(a.Name, b.Name) })
	return fs[:min(limit, len(fs))], nil
}

// AccountUsage implements wick.FunctionStore.
func (s *MemStore) AccountUsage(ctx context.Context, account, region string) (functions int, codeBytes int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, versions := range s.functions {
		if id.Account != account || id.Region != region {
			continue
		}
		if versions[wick.Latest] != nil {
			functions++
		}
		for _, f := range versions {
			codeBytes += f.Code.Size
		}
	}
	for id, l := range s.layers {
		if id.Account != account || id.Region != region {
			continue
		}
		for _, v := range l.versions {
			codeBytes += v.Code.Size
		}
	}
	return functions, codeBytes, nil
}

// PackagesInUse implements wick.FunctionStore.
func (s *MemStore) PackagesInUse(ctx context.Context) (map[string]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	inUse := map[string]bool{}
	for _, versions := range s.functions {
		for _, f := range versions {
			inUse[f.Code.SHA256] = true
			f.MarkLayers(inUse)
		}
	}
	for _, l := range s.layers {
		for _, v := range l.versions {
			inUse[v.Code.SHA256] = true
		}
	}
	return inUse, nil
}

// configHash hashes all but what an instance doesn't depend on.
func configHash(f *wick.Function) string {
	g := *f
	g.Description, g.DeadLetterTarget, g.Tags = "", "", nil
	g.State, g.StateReason, g.StateReasonCode = "", "", ""
	g.UpdateStatus, g.UpdateReason, g.UpdateReasonCode = "", "", ""
	g.RevisionID, g.ConfigHash, g.LastModified = "", "", time.Time{}
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", g)) // fmt sorts maps
	return hex.EncodeToString(sum[:])
}

// clone copies a function deep enough that neither copy shows the other's changes.
func clone(f *wick.Function) *wick.Function {
	g := *f
	g.Environment, g.Tags, g.Layers = maps.Clone(f.Environment), maps.Clone(f.Tags), slices.Clone(f.Layers)
	return &g
}
