//go:build race

package wickserver

// Race says whether the test, and with it the binary it builds, has the race detector.
const Race = true
