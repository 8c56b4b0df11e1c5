// Package deliver does what the filters of log groups ask for: subscription filters
// have records sent to a Lambda function, metric filters make metrics of them.
//
// It reads from a tap of package logs, so that recording never waits for it, and keeps
// what waits for a function within bounds: what is beyond them is dropped, counted and
// said. What it hands on to, functions and metrics, are interfaces that cmd/wick wires;
// aws/logs tells it when a group's filters change.
package deliver
