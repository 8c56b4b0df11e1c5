// Command bench measures Wick against the bars of its own speed, beside what people use
// today, on one machine in one run, and writes one table. README.md says what each line
// means and how to repeat it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wick-run/wick/internal/fdtable"
)

// options are the flags.
type options struct {
	wick  string
	peers string // folder that fetch filled
	out   string
	only  []string
	quick bool
}

// flags returns the flags that change what is measured, as make takes them.
func (o options) flags() string {
	var all string
	if len(o.only) > 0 {
		all += " ONLY=" + strings.Join(o.only, ",")
	}
	if o.quick {
		all += " QUICK=1"
	}
	return all
}

// scenario measures one or a few of the bars.
type scenario struct {
	name, what string
	run        func(context.Context, *bench) error
}

// scenarios are in the order they are run in.
var scenarios = []scenario{
	{"warm", "one client, warm", warm},
	{"clients", "16 clients, warm", clients},
	{"cold", "the first event of 20 functions", cold},
	{"burst", "100 first events of one function at once", burst},
	{"sandbox", "sandboxes started, frozen and thawed", sandboxes},
	{"idle", "1,000 idle instances", idle},
	{"start", "wick serve with 1,000 functions", start},
	{"overload", "ten times as much as can be done", overload},
	{"fairness", "one function beside another's burst", fairness},
}

// bench is one run.
type bench struct {
	o         options
	dir       string // for everything of this run, removed after it
	began     time.Time
	load      string
	languages []*language
	rows      []row
}

func main() {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		if err := role(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	var only string
	flag.StringVar(&o.wick, "wick", "bin/wick", "the wick to measure")
	flag.StringVar(&o.peers, "peers", ".cache/bench", "folder that bench/fetch filled; what isn't there is left out")
	flag.StringVar(&o.out, "out", "bench/RESULTS.md", "file for the table")
	flag.StringVar(&only, "only", "", "scenarios to run, separated by commas: "+names())
	flag.BoolVar(&o.quick, "quick", false, "fewer repetitions: to see whether it works, not to believe")
	flag.Parse()
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func names() string {
	all := make([]string, len(scenarios))
	for n, s := range scenarios {
		all[n] = s.name
	}
	return strings.Join(all, ", ")
}

func run(ctx context.Context, o options) (err error) {
	for _, name := range o.only {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == name }) {
			return fmt.Errorf("there is no scenario %q; there are %s", name, names())
		}
	}
	if o.wick, err = filepath.Abs(o.wick); err != nil {
		return err
	}
	if err := fdtable.Reserve(); err != nil { // else the client waits where the server should
		return err
	}
	b := &bench{o: o, began: time.Now()}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		b.load = firstField(string(load))
	}
	if b.dir, err = os.MkdirTemp("", "wick-bench-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.openLanguages(ctx); err != nil {
		return err
	}
	var failed []error
	for _, s := range scenarios {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().Format("15:04:05"), s.name, s.what)
		if err := s.run(ctx, b); err != nil {
			// What the others say is worth having.
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
			b.add(row{what: s.what, figure: "failed", how: "`" + s.name + "`"})
		}
		if err := b.save(); err != nil { // after each, should the next not come to its end
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Print(b.table())
	return errors.Join(failed...)
}

func (b *bench) add(rows ...row) { b.rows = append(b.rows, rows...) }

// times returns how often to do something: n, or few in a quick run.
func (b *bench) times(n, few int) int {
	if b.o.quick {
		return few
	}
	return n
}

// rest is a pause before each measurement: what the one before it left to do is done by
// then, such as booting the next instance ahead.
func rest(ctx context.Context) { pause(ctx, 300*time.Millisecond) }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// roleVariable makes this program do a part of a scenario that needs a process of its own.
const roleVariable = "WICK_BENCH_ROLE"

var roles = map[string]func([]string) error{
	"flood":   flood,
	"proxy":   proxy,
	"sandbox": sandboxRole,
}

// closers is what has to end with a scenario, last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close(err *error) {
	for n := len(*c) - 1; n >= 0; n-- {
		*err = errors.Join(*err, (*c)[n]())
	}
}
