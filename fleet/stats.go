package fleet

import (
	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
)

// Stats is how a fleet is at one moment.
type Stats struct {
	Waiting  int // events without an instance
	Starting int // instances
	// UsedBytes is what all instances count for, of BudgetBytes.
	UsedBytes, BudgetBytes int64
	Instances              []Group // of functions
	Ahead                  []Group // booted ahead, of no function yet
}

// Group is the instances that have this in common.
type Group struct {
	Function wick.FunctionID // zero for those booted ahead
	Version  string
	Runtime  string
	State    wick.InstanceState
	Count    int
	Bytes    int64 // what they were last seen to use
}

// Stats looks at the fleet. It measures nothing: memory is as of the last second.
func (f *Fleet) Stats() Stats {
	type key struct {
		function         wick.FunctionID
		version, runtime string
		state            wick.InstanceState
	}
	members, stems := map[key]*Group{}, map[key]*Group{}
	count := func(groups map[key]*Group, k key, bytes int64) {
		g := groups[k]
		if g == nil {
			g = &Group{Function: k.function, Version: k.version, Runtime: k.runtime, State: k.state}
			groups[k] = g
		}
		g.Count++
		g.Bytes += bytes
	}
	type one struct {
		key
		inst  *instance.Instance
		bytes int64
	}
	var of, ahead []one
	f.mu.Lock()
	s := Stats{Starting: f.starting, UsedBytes: f.used, BudgetBytes: f.o.MemoryBytes}
	for k, p := range f.pools {
		s.Waiting += len(p.waiters)
		for m := range p.members {
			of = append(of, one{key{function: k.function, version: k.version, runtime: p.function.Runtime}, m.inst, m.bytes})
		}
	}
	for _, st := range f.stocks {
		for _, stem := range st.ready {
			ahead = append(ahead, one{key{runtime: st.plan.Match.Runtime}, stem.inst, stem.bytes})
		}
	}
	f.mu.Unlock()
	for _, o := range of {
		o.state = o.inst.State()
		count(members, o.key, o.bytes)
	}
	for _, o := range ahead {
		o.state = o.inst.State()
		count(stems, o.key, o.bytes)
	}
	for _, g := range members {
		s.Instances = append(s.Instances, *g)
	}
	for _, g := range stems {
		s.Ahead = append(s.Ahead, *g)
	}
	return s
}
