// Package traces is X-Ray's half of what Wick remembers: segments, rendered from the
// platform's events or sent by functions and clients, and the questions asked about
// them: whole traces, summaries by filter expression, service graphs. It also decides
// which events are sampled.
//
// cmd/wick wires it: instances and the invoker state what happened (it is a
// wick.Recorder), aws/xray asks. It knows no HTTP and no SQL.
package traces
