package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wick-run/wick/internal/client"
)

var _ = register(newTopCommand)

func newTopCommand() *cobra.Command {
	var (
		asJSON, once bool
		interval     time.Duration
		by           = topOrders[0].name
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what functions do, live",
		Long: `Show each function's rate of invocations, errors and throttles, its latency, its
concurrency, cold starts and memory, as of the last second. ERR% is the share of
invocations that failed; P50 and P99 are of those that ended in that second; CONC is the
events being worked on; COLD the cold starts since the server began; MEM what the
function's instances use together.

Keys: q quits, s sorts by the next column, r turns the order around.

Where output is no terminal, a table is printed for each interval; with --json, an
object a line.`,
		Example: `  wick top
  wick top --sort p99
  wick top --once
  wick top --json --interval 5s | jq '.functions[] | select(.errorRate > 0.01)'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usagef("--interval is 100ms or more, not %s", interval)
			}
			order := orderNamed(by)
			if order < 0 {
				return usagef("--sort is one of %s, not %q", strings.Join(orderNames(), ", "), by)
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			t := &top{client: c, out: cmd.OutOrStdout(), interval: interval, order: order, json: asJSON}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			in, tty := cmd.InOrStdin().(*os.File)
			if tty && !once && !asJSON && isTerminal(t.out) && term.IsTerminal(int(in.Fd())) {
				return t.live(ctx, in)
			}
			return t.print(ctx, once)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "print one table, of one interval, and end")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a line for each interval")
	f.DurationVar(&interval, "interval", time.Second, "time between two tables")
	f.StringVar(&by, "sort", by, "column to sort by: "+strings.Join(orderNames(), ", "))
	must(cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(orderNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// top asks a server what it has counted, again and again, and shows the differences.
type top struct {
	client   *client.Client
	out      io.Writer
	interval time.Duration
	json     bool
	order    int // of topOrders
	reversed bool

	last *client.Counts
}

// next waits for the end of an interval and returns what happened in it.
func (t *top) next(ctx context.Context, tick <-chan time.Time) (*activity, error) {
	if t.last == nil {
		counts, err := t.client.Counts(ctx)
		if err != nil {
			return nil, err
		}
		t.last = &counts
	}
	select {
	case <-tick:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return t.since(ctx)
}

// since returns what happened since it was last asked.
func (t *top) since(ctx context.Context) (*activity, error) {
	counts, err := t.client.Counts(ctx)
	if err != nil {
		return nil, err
	}
	a, err := activityBetween(t.last, &counts)
	if err != nil {
		return nil, fmt.Errorf("%s answered what isn't Wick's: %w; is it a Wick of another version?", t.client.Endpoint, err)
	}
	t.last = &counts
	return a, nil
}

// print writes a table or an object for each interval until ctx ends.
func (t *top) print(ctx context.Context, once bool) error {
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		a, err := t.next(ctx, tick.C)
		if err != nil {
			if ctx.Err() != nil {
				return nil // interrupted, which is how it ends
			}
			return err
		}
		a.sort(t.order, t.reversed)
		switch {
		case t.json:
			err = json.NewEncoder(t.out).Encode(a)
		case n > 0:
			_, err = fmt.Fprintf(t.out, "\n%s", a.text(plainWidth, false))
		default:
			_, err = io.WriteString(t.out, a.text(plainWidth, false))
		}
		if err != nil || once {
			return err
		}
	}
}

// plainWidth is how wide a table is where nobody says how wide it may be.
const plainWidth = 100

// Control sequences of terminals. Source: ECMA-48, xterm.
const (
	alternateScreen = "\x1b[?1049h\x1b[?25l" // without the cursor
	ordinaryScreen  = "\x1b[?25h\x1b[?1049l"
	topLeft         = "\x1b[H"
	clearToLineEnd  = "\x1b[K"
	clearToEnd      = "\x1b[J"
)

// live draws on a terminal until q or an interrupt.
func (t *top) live(ctx context.Context, in *os.File) (err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("setting the terminal up: %w", err)
	}
	if _, err := io.WriteString(t.out, alternateScreen); err != nil {
		return err
	}
	defer func() {
		_, writeErr := io.WriteString(t.out, ordinaryScreen)
		restoreErr := term.Restore(int(in.Fd()), before)
		for _, e := range []error{writeErr, restoreErr} {
			if err == nil {
				err = e
			}
		}
	}()
	keys := make(chan byte)
	go readKeys(ctx, in, keys) // ends with the process: reading a terminal can't be ended
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	counts, err := t.client.Counts(ctx)
	if err != nil {
		return err
	}
	t.last = &counts
	shown, err := activityBetween(&counts, &counts)
	if err != nil {
		return err
	}
	for {
		if err := t.draw(shown); err != nil {
			return err
		}
		select {
		case <-tick.C:
			if shown, err = t.since(ctx); err != nil {
				return err
			}
		case k := <-keys:
			switch k {
			case 'q', 'Q', 3, 4: // Ctrl-C and Ctrl-D come as they are in raw mode
				return nil
			case 's', 'S':
				t.order = (t.order + 1) % len(topOrders)
			case 'r', 'R':
				t.reversed = !t.reversed
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func readKeys(ctx context.Context, in io.Reader, keys chan<- byte) {
	var b [1]byte
	for {
		if n, err := in.Read(b[:]); err != nil || n == 0 {
			return
		}
		select {
		case keys <- b[0]:
		case <-ctx.Done():
			return
		}
	}
}

// draw shows an interval on the whole screen.
func (t *top) draw(a *activity) error {
	width, height := 80, 24
	if f, ok := t.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	a.sort(t.order, t.reversed)
	lines := strings.Split(strings.TrimRight(a.text(width, bool(paintFor(t.out))), "\n"), "\n")
	foot := fmt.Sprintf("q quit · s sort (%s) · r reverse", topOrders[t.order].name)
	if len(lines) > height-1 {
		lines = lines[:height-1]
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, paintFor(t.out).paint(dim, cut(foot, width)))
	_, err := io.WriteString(t.out, topLeft+strings.Join(lines, clearToLineEnd+"\r\n")+clearToLineEnd+clearToEnd)
	return err
}
