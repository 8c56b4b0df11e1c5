package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// row is one line of the results. Those without a bar are the peers, and what else
// there is to know.
type row struct {
	what        string
	median, p99 string
	figure      string // the ratio, or whatever the bar is about
	bar         string
	reached     bool
	how         string
}

// times returns a row of how long something took.
func times(what string, s sample, how string) row {
	return row{what: what, median: ms(s.median()), p99: ms(s.quantile(0.99)), how: how}
}

// under judges a row by a figure that may not be above a bar.
func (r row) under(figure, bar float64, format string) row {
	r.figure, r.bar, r.reached = fmt.Sprintf(format, figure), "≤ "+fmt.Sprintf(format, bar), figure <= bar
	return r
}

// over judges a row by a figure that may not be below a bar.
func (r row) over(figure, bar float64, format string) row {
	r.figure, r.bar, r.reached = fmt.Sprintf(format, figure), "≥ "+fmt.Sprintf(format, bar), figure >= bar
	return r
}

// table renders all results so far.
func (b *bench) table() string {
	w := &strings.Builder{}
	load, _ := os.ReadFile("/proc/loadavg")                                                                     // only Linux says
	revision, _ := exec.CommandContext(context.Background(), "git", "describe", "--always", "--dirty").Output() // "" outside of git
	fmt.Fprintf(w, "# Results\n\nMeasured by `make bench`%s on %s at revision %s: %s/%s, %d cores, %s.",
		b.o.flags(), b.began.UTC().Format("2 January 2006, 15:04 UTC"), strings.TrimSpace(string(revision)),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.versions())
	if len(load) > 0 {
		fmt.Fprintf(w, " Load before: %s; at the end: %s (this machine may have been used by others).", b.load, firstField(string(load)))
	}
	fmt.Fprintf(w, "\nHow to read it: [README.md](README.md).\n\n")
	fmt.Fprintln(w, "| what | median | p99 | figure | bar | reached | how it was run |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|---|---|")
	for _, r := range b.rows {
		reached := ""
		if r.bar != "" {
			if reached = "yes"; !r.reached {
				reached = "**no**"
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", r.what, r.median, r.p99, r.figure, r.bar, reached, r.how)
	}
	fmt.Fprintf(w, "\nIt took %s.\n", time.Since(b.began).Round(time.Second))
	return w.String()
}

func firstField(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	return f[0]
}

// versions names the interpreters that were used.
func (b *bench) versions() string {
	var all []string
	for _, l := range b.languages {
		if l.version != "" {
			all = append(all, l.name+" "+l.version)
		}
	}
	return strings.Join(all, ", ")
}

// save writes the table to its file.
func (b *bench) save() error {
	if err := os.MkdirAll(filepath.Dir(b.o.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.o.out, []byte(b.table()), 0o644) //nolint:gosec // results are for everybody
}
