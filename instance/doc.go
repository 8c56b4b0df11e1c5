// Package instance is one execution environment's life: a sandbox with a runtime in
// it, booted for a language, assigned to a function, handed one event at a time,
// frozen between events, reset after a crash, and stopped with all it had.
//
// It turns what the runtime does into platform events (wick.Event) and knows nothing
// of other instances: package fleet, its caller, decides how many there are. The
// Runtime API's wire format is in runtimeapi, the walls in package sandbox, the
// commands that start a language in package runtimes.
package instance
