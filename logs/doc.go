// Package logs keeps what functions print and what the platform says about their
// invocations, and answers questions about it: by group, time, stream and request,
// up to the newest record, and live.
//
// Record (a wick.Recorder) renders events into an open chunk per log stream, in
// memory; one goroutine seals, compresses and stores chunks, so that an invocation
// never waits for a disk. A reader sees each record exactly once, whether it is in
// memory, in the store or on its way. cmd/wick opens it, instances record to it
// through wick.Recorders, and its Handler serves wick logs.
package logs
