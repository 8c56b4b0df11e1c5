// Package deliver does what the filters of log groups ask for: subscription filters
// have records sent to a Lambda function, metric filters make metrics of them.
//
// Subscriptions read from the store, each from the position it has come to, which is kept
// there: what was recorded is delivered at least once, over stops and crashes, in the
// order of its stream, or given up after AWS's 24 hours, counted and said. Metric filters
// read from a tap of package logs, within bounds. Recording waits for neither. What the
// filters hand on to, functions and metrics, are interfaces that cmd/wick wires; aws/logs
// tells it when a group's filters change.
package deliver
