// Package quickio reads and writes sockets without announcing to Go's scheduler that a
// system call begins.
//
// A socket in non-blocking mode never keeps a thread for long, yet what it wakes is
// often run on the same CPU at once, and the thread comes back late. The scheduler's
// monitor then takes the call for one that blocks: it gives the thread's work to
// another, which has to be woken, and goes on looking every 20 µs. On the warm path of an
// invocation that is a good part of all context switches.
//
// The sockets of aws/front and of instance/runtimeapi are read and written this way.
package quickio
