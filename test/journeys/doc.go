// Package journeys drives the real binary with real AWS clients, from outside: it knows
// the command line and the protocols, and imports no room of Wick's. Everything here is
// a test; clients/ holds the scripts in other languages.
package journeys
