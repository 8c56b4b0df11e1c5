package instance

import (
	"fmt"
	"slices"

	"github.com/wick-run/wick"
)

// transitions are the moves an instance's life allows; whatever isn't here is a
// programming error and refused.
var transitions = map[wick.InstanceState][]wick.InstanceState{
	wick.InstanceBooting:  {wick.InstanceBooted, wick.InstanceInit, wick.InstanceStopping},
	wick.InstanceBooted:   {wick.InstanceInit, wick.InstanceStopping},
	wick.InstanceInit:     {wick.InstanceIdle, wick.InstanceReset, wick.InstanceStopping},
	wick.InstanceIdle:     {wick.InstanceBusy, wick.InstanceFrozen, wick.InstanceReset, wick.InstanceStopping},
	wick.InstanceFrozen:   {wick.InstanceBusy, wick.InstanceReset, wick.InstanceStopping},
	wick.InstanceBusy:     {wick.InstanceIdle, wick.InstanceReset, wick.InstanceStopping},
	wick.InstanceReset:    {wick.InstanceBusy, wick.InstanceStopping},
	wick.InstanceStopping: {wick.InstanceStopped},
	wick.InstanceStopped:  {},
}

// move returns to, or an error when an instance can't go there from where it is.
func move(from, to wick.InstanceState) (wick.InstanceState, error) {
	if !slices.Contains(transitions[from], to) {
		return from, fmt.Errorf("an instance can't go from %s to %s", from, to)
	}
	return to, nil
}
