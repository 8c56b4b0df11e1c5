// Package otlp sends what is recorded to an OpenTelemetry receiver: the segments of
// traces as spans, log records, and what was counted as metrics, each with the semantic
// conventions for functions (faas.*, cloud.*, aws.*). It speaks OTLP over HTTP
// and over gRPC.
//
// It is fed by the same stream as the other rooms (it is a wick.Recorder, and takes the
// segments package traces stores), and sends in the background: what a receiver doesn't
// take in time is dropped, counted and said. cmd/wick opens it for --otlp.
package otlp
