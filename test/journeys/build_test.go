//go:build !race

package journeys

// buildFlags build the binary under test.
var buildFlags []string
