// Package metrics counts: what instances state of themselves becomes the metrics that
// AWS/Lambda has in CloudWatch, beside those that functions and clients put themselves,
// as values, statistic sets or lines in the embedded metric format. It keeps them by the
// minute, answers for them, and shows what there has been since the start to whoever
// asks (Prometheus, wick top, OTLP).
//
// Counting waits for nobody: what comes is added up in memory, function by function, and
// stored every few seconds. A crash loses what is younger than that.
//
// The instances call Record, invoke and fleet call Throttled and Waited, aws/cloudwatch
// and aws/logs put and ask. cmd/wick wires them.
package metrics
