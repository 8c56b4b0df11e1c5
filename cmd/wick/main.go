// Command wick runs AWS Lambda functions on this machine: wick serve is the server,
// the other commands are its clients. Here is the wiring and nothing else: every
// command reads its flags, calls one room, and prints.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first signal asks the command to end, the second ends the process: stop gives
	// the signals back their default effect.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
