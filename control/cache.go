package control

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/wick-run/wick"
)

// cache holds function versions by name. Reading takes no lock: each shard is a map
// that is never changed, only replaced. It stays coherent because every change goes
// through Control, and because what was read from the store is only kept if no
// change of the shard was made known since before the reading.
type cache struct {
	seed   maphash.Seed
	shards [64]shard
}

type shard struct {
	mu      sync.Mutex // guards replacing current, and changes
	changes uint64
	current atomic.Pointer[map[versionKey]*wick.Function]
}

type versionKey struct {
	id      wick.FunctionID
	version string
}

func (c *cache) init() { c.seed = maphash.MakeSeed() }

func (c *cache) shard(id wick.FunctionID) *shard {
	return &c.shards[maphash.String(c.seed, id.Name)%uint64(len(c.shards))]
}

// get returns a cached version, or nil.
func (c *cache) get(id wick.FunctionID, version string) *wick.Function {
	m := c.shard(id).current.Load()
	if m == nil {
		return nil
	}
	return (*m)[versionKey{id, version}]
}

// load returns a version from the cache or from read, whose result it keeps.
func (c *cache) load(
	ctx context.Context, id wick.FunctionID, version string,
	read func(context.Context, wick.FunctionID, string) (*wick.Function, error),
) (*wick.Function, error) {
	if f := c.get(id, version); f != nil {
		return f, nil
	}
	s := c.shard(id)
	s.mu.Lock()
	before := s.changes
	s.mu.Unlock()
	f, err := read(ctx, id, version)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == before {
		s.replace(versionKey{id, version}, f)
	}
	return f, nil
}

// set makes a change known; nil for a version that is gone.
func (c *cache) set(id wick.FunctionID, version string, f *wick.Function) {
	s := c.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.replace(versionKey{id, version}, f)
}

// replace puts a new map in place of the current; s.mu is held.
func (s *shard) replace(k versionKey, f *wick.Function) {
	m := map[versionKey]*wick.Function{}
	if old := s.current.Load(); old != nil {
		m = maps.Clone(*old)
	}
	if f == nil {
		delete(m, k)
	} else {
		m[k] = f
	}
	s.current.Store(&m)
}

// Resolve returns the version an invocation is for; "" means $LATEST. It is the warm
// path of every invocation: for a version seen before it takes no lock and does no
// I/O. The value must not be changed.
//
// NotFound in AWS's words when there is no such function or version; Conflict when
// it isn't ready to be invoked.
func (c *Control) Resolve(ctx context.Context, id wick.FunctionID, qualifier string) (*wick.Function, error) {
	version := qualifier
	if version == "" {
		version = wick.Latest
	}
	f := c.cache.get(id, version)
	if f == nil {
		var err error
		if f, err = c.version(ctx, id, qualifier); err != nil {
			return nil, err
		}
	}
	if f.State != wick.StateActive {
		c.continueSettling(f)
		return nil, wick.Errorf(wick.Conflict,
			"The operation cannot be performed at this time. The function is currently in the following state: %s", f.State)
	}
	return f, nil
}

// version returns a version through the cache, NotFound in AWS's words.
func (c *Control) version(ctx context.Context, id wick.FunctionID, qualifier string) (*wick.Function, error) {
	version := qualifier
	if version == "" {
		version = wick.Latest
	}
	f, err := c.cache.load(ctx, id, version, c.o.Store.Function)
	if wick.KindOf(err) == wick.NotFound && err != nil {
		return nil, notFound(id, qualifier)
	}
	return f, err
}

// notFound is AWS's answer to a function or version that isn't there, named as the
// caller named it.
func notFound(id wick.FunctionID, qualifier string) error {
	return wick.Errorf(wick.NotFound, "Function not found: %s", id.QualifiedARN(qualifier))
}
