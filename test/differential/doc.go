// Package differential runs one set of functions under Wick's bootstraps and under AWS's own
// runtime clients, against the same Runtime API, and holds their answers, error objects, log
// records and exits against each other.
//
// The functions are data: a file in cases/ has one in every language that has the notion it
// is about, the events it gets, and a reason for each language where Wick means to differ.
// What AWS's clients did is kept in recorded/, so that make test compares without them;
// make differential installs them, runs both sides and, with UPDATE=1, records anew.
// TABLE.md says how each case came out.
//
// Go's and Rust's clients are AWS's own on both sides. There the Runtime API differs: Wick's,
// and a plain one of net/http.
package differential
