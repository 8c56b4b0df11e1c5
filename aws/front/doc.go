// Package front serves the warm path's HTTP/1.1: requests of the form nearly all clients
// send, for the operations worth it, without net/http's server around them. Everything
// else (another path, a chunked body, Expect, Upgrade, a malformed head) goes to
// net/http's server together with its connection and whatever was read of it, so there
// is one implementation of the rest of HTTP and it isn't ours.
//
// What it saves is wake-ups: net/http reads from a connection in the background while its
// handler works, with a goroutine, two reads and a change of deadline a request. Here
// a client that hangs up is looked for only if a handler waits for that, by its context.
//
// cmd/wick's serve is its only caller.
package front
