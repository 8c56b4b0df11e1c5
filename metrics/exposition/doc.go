// Package exposition writes metrics as Prometheus reads them: its text format 0.0.4, or
// OpenMetrics 1.0 for those who ask for that. cmd/wick serves /metrics with it.
//
// Source: Prometheus documentation, exposition formats; OpenMetrics specification.
package exposition
