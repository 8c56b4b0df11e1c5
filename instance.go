package wick

import "time"

// InstanceState is where an instance is in its life.
type InstanceState string

// Instance states, in the order an instance usually meets them. The legal moves
// are in package instance.
const (
	InstanceBooting  InstanceState = "booting"  // sandbox and bootstrap being made, of no function yet
	InstanceBooted   InstanceState = "booted"   // waiting to be assigned a function (a stem cell)
	InstanceInit     InstanceState = "init"     // function assigned, its init running
	InstanceIdle     InstanceState = "idle"     // ready for an event
	InstanceBusy     InstanceState = "busy"     // working on an event
	InstanceFrozen   InstanceState = "frozen"   // idle and without CPU
	InstanceReset    InstanceState = "reset"    // runtime gone; restarted at the next event
	InstanceStopping InstanceState = "stopping" // shutting down
	InstanceStopped  InstanceState = "stopped"  // gone, with everything it had
)

// InstanceStatus is what an operator sees of one instance (wick ps).
type InstanceStatus struct {
	ID          string        `json:"id"`
	Function    string        `json:"function"` // "" while booted ahead
	Version     string        `json:"version"`
	Runtime     string        `json:"runtime"`
	State       InstanceState `json:"state"`
	Age         time.Duration `json:"ageNanos"`
	MemoryBytes int64         `json:"memoryBytes"`
	Invocations int64         `json:"invocations"`
	LogStream   string        `json:"logStream"`
	RequestID   string        `json:"requestId,omitempty"` // while busy
}
