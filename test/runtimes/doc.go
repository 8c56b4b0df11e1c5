// Package runtimes proves what functions see and how they fail, by the real binary and
// AWS's own client: the recordings of the real service replayed (oracle_test.go, with the
// table of which entries pass), and failures of every language with the whole error
// object and every log line (the tables nodejs_test.go, python_test.go, provided_test.go).
package runtimes
