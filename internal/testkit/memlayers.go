package testkit

import (
	"cmp"
	"context"
	"slices"

	"github.com/wick-run/wick"
)

var _ wick.LayerStore = (*MemStore)(nil)

// memLayers is what a MemStore knows of one layer.
type memLayers struct {
	last     int64
	versions []*wick.LayerVersion // oldest first
}

// PublishLayerVersion implements wick.LayerStore.
func (s *MemStore) PublishLayerVersion(ctx context.Context, v *wick.LayerVersion) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layers == nil {
		s.layers = map[wick.LayerID]*memLayers{}
	}
	l := s.layers[v.LayerID]
	if l == nil {
		l = &memLayers{}
		s.layers[v.LayerID] = l
	}
	l.last++
	v.Version = l.last
	l.versions = append(l.versions, cloneLayer(v))
	return nil
}

// LayerVersion implements wick.LayerStore.
func (s *MemStore) LayerVersion(ctx context.Context, id wick.LayerID, version int64) (*wick.LayerVersion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.layers[id]; l != nil {
		for _, v := range l.versions {
			if v.Version == version {
				return cloneLayer(v), nil
			}
		}
	}
	return nil, wick.Errorf(wick.NotFound, "no such layer version: %s", id.VersionARN(version))
}

// DeleteLayerVersion implements wick.LayerStore.
func (s *MemStore) DeleteLayerVersion(ctx context.Context, id wick.LayerID, version int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.layers[id]; l != nil {
		l.versions = slices.DeleteFunc(l.versions, func(v *wick.LayerVersion) bool { return v.Version == version })
	}
	return nil
}

// Layers implements wick.LayerStore.
func (s *MemStore) Layers(ctx context.Context, q wick.LayerQuery, after string) ([]*wick.LayerVersion, error) {
	var newest []*wick.LayerVersion
	err := s.eachMatching(ctx, q, func(v *wick.LayerVersion) {
		if v.Name <= after {
			return
		}
		if n := len(newest); n > 0 && newest[n-1].Name == v.Name {
			newest[n-1] = v
			return
		}
		newest = append(newest, v)
	})
	return newest[:min(q.Limit, len(newest))], err
}

// LayerVersions implements wick.LayerStore.
func (s *MemStore) LayerVersions(ctx context.Context, q wick.LayerQuery, name string, before int64) ([]*wick.LayerVersion, error) {
	var versions []*wick.LayerVersion
	err := s.eachMatching(ctx, q, func(v *wick.LayerVersion) {
		if v.Name == name && (before == 0 || v.Version < before) {
			versions = append(versions, v)
		}
	})
	slices.Reverse(versions)
	return versions[:min(q.Limit, len(versions))], err
}

// eachMatching calls do with a copy of each matching version, by name and number.
func (s *MemStore) eachMatching(ctx context.Context, q wick.LayerQuery, do func(*wick.LayerVersion)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*wick.LayerVersion
	for id, l := range s.layers {
		if id.Account == q.Account && id.Region == q.Region {
			all = append(all, l.versions...)
		}
	}
	slices.SortFunc(all, func(a, b *wick.LayerVersion) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	for _, v := range all {
		if (q.Runtime == "" || slices.Contains(v.CompatibleRuntimes, q.Runtime)) &&
			(q.Architecture == "" || slices.Contains(v.CompatibleArchitectures, q.Architecture)) {
			do(cloneLayer(v))
		}
	}
	return nil
}

func cloneLayer(v *wick.LayerVersion) *wick.LayerVersion {
	w := *v
	w.CompatibleRuntimes = slices.Clone(v.CompatibleRuntimes)
	w.CompatibleArchitectures = slices.Clone(v.CompatibleArchitectures)
	return &w
}
