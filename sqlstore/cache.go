package sqlstore

import (
	"sync"

	"github.com/wick-run/wick"
)

// functionCache holds functions that were read lately: every invocation asks for one.
// Stored values are never changed, and this process is the only one that writes, so
// it is enough to forget a function when a change to it has been committed.
type functionCache struct {
	mu sync.RWMutex
	// generation counts the changes. A reader that began before one may have read
	// the old row: what it puts then is refused.
	generation uint64
	functions  map[wick.FunctionID]map[string]*wick.Function // by version
	size       int                                           // values in functions
}

// maxCached bounds the cache, at a few kilobytes each. When it is full it starts anew.
const maxCached = 10_000

// get returns a function, or nil and the generation to put it with.
func (c *functionCache) get(id wick.FunctionID, version string) (*wick.Function, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.functions[id][version], c.generation
}

// put keeps what was read after get returned generation.
func (c *functionCache) put(f *wick.Function, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if c.functions == nil || c.size >= maxCached {
		c.functions, c.size = map[wick.FunctionID]map[string]*wick.Function{}, 0
	}
	versions := c.functions[f.FunctionID]
	if versions == nil {
		versions = map[string]*wick.Function{}
		c.functions[f.FunctionID] = versions
	}
	if versions[f.Version] == nil {
		c.size++
	}
	versions[f.Version] = f
}

// changed forgets a function, all versions of it. The writer calls it between the
// commit and the moment its caller knows of it.
func (c *functionCache) changed(id wick.FunctionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.size -= len(c.functions[id])
	delete(c.functions, id)
}
