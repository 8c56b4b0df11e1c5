// Package linux is the sandbox driver on plain features of the kernel: namespaces,
// control groups, seccomp. Its caller is cmd/wick, which passes the [Driver] on to
// package instance; cgroups, /tmp and networks are rooms of their own below it.
//
// # Who runs what
//
// The server starts one process for each sandbox, wick-init: a static program of 3 kB
// (init/init.c), run from memory, in new PID, mount, IPC and UTS namespaces. It gets
// scripts of system calls over a socket (see script) and runs them, so that all policy
// is here, in Go: one script builds the sandbox, one starts a command, in a child. In
// between it is PID 1 of the sandbox: it reaps, reports how commands ended and signals
// everybody. It ends with the socket, and its end is that of everybody in its PID
// namespace, so a killed server takes its sandboxes with it.
//
// PID 1 is not in the sandbox's control group. It isn't frozen, throttled, counted nor
// chosen when memory runs out, whatever the function does, and can kill everything
// there when nobody there gets CPU or may fork. A command's process is moved into the
// group before it has run anything; since the kernel takes milliseconds for a move,
// the process of the next Start is made ahead.
//
// # The walls
//
// The root is a small tmpfs, read-only and shared by the sandboxes of the same mounts
// (see frame.go), with read-only binds of the host's /usr and what else programs need to
// run (see root.go for the list), the caller's mounts, a private /tmp, a minimal /dev and
// a /proc that shows the limits as the machine. All of it is mounted with the server's privileges; the last thing PID 1 does
// is to enter a user namespace, in which nobody has power over any of it. Root and the
// function's user in there are two users of the host that nothing else uses, different
// for each sandbox. Commands have no capabilities, can't gain any, and can't make the
// system calls of the list in filter.go.
//
// Attach mounts from outside, on a thread that visits the sandbox's mount namespace.
// Nothing is mounted where the server is, but for the file systems of /tmp and the shared
// roots: for them, [EnterPrivateMounts] gives the server a mount namespace of its own.
//
// # Without root
//
// EnterPrivateMounts also enters a user namespace when the server runs as an ordinary
// user. In it the driver does the same things by the same code; what it can't do there
// (limits without delegated cgroups, a network to the outside, /tmp on a disk, users of
// their own for sandboxes) Gaps says.
package linux
