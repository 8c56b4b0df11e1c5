// Package expression is the language of metric math: arithmetic, comparisons and functions
// over time series. Package aws/cloudwatch evaluates with it what GetMetricData asks for.
//
// Source: CloudWatch user guide, metric math syntax and functions. What of it Wick hasn't
// (SEARCH, ANOMALY_DETECTION_BAND, Metrics Insights queries) is refused by name.
package expression
