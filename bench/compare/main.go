// Command compare measures cold and warm invocations of the same Python and Node.js
// functions on Wick and on AWS's Runtime Interface Emulator, beside a plain HTTP server in
// the language and the language's own start, in interleaved rounds on one machine.
// bench/README.md says how to run it and what came out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// options are the flags.
type options struct {
	wick     string
	emulator string // folder that fetch filled; "": without the emulator
	rounds   int
	warm     int
	clients  int
}

func main() {
	var o options
	flag.StringVar(&o.wick, "wick", "bin/wick", "the wick to measure")
	flag.StringVar(&o.emulator, "emulator", os.Getenv("WICK_BENCH_EMULATOR"), "folder that bench/compare/fetch filled; without it, the emulator is left out")
	flag.IntVar(&o.rounds, "rounds", 20, "rounds; each has one cold start of each kind")
	flag.IntVar(&o.warm, "warm", 1000, "warm invocations by one client, in all rounds together")
	flag.IntVar(&o.clients, "clients", 8, "clients of the concurrent part")
	to := flag.String("proxy", "", "be a reverse proxy to this URL instead; compare starts itself so")
	flag.Parse()
	if *to != "" {
		if err := proxy(*to); err != nil {
			fmt.Fprintln(os.Stderr, "compare:", err)
			os.Exit(1)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// run measures round by round, each contestant once in each, and prints the tables.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "wick-compare-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeFunctions(filepath.Join(dir, "functions")); err != nil {
		return err
	}
	var s stage
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, o, dir); err != nil {
		return err
	}
	each := max(o.warm/o.rounds, 1)
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "\rround %d of %d ", round+1, o.rounds)
		for n := range s.contestants {
			// Nobody always comes first, or after the same one.
			c := s.contestants[(n+round)%len(s.contestants)]
			if err := c.measure(ctx, each, o.clients); err != nil {
				return fmt.Errorf("%s %s: %w", c.language, c.name, err)
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	s.print(os.Stdout, o)
	return nil
}
