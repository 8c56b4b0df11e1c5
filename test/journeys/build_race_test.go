//go:build race

package journeys

// buildFlags build the binary under test: with the race detector, as this test is.
var buildFlags = []string{"-race"}
