package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// sample is how long something took, each time.
type sample []time.Duration

// quantile returns the smallest value that is not below a share q of all, in milliseconds.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return float64(sorted[max(at, 0)].Microseconds()) / 1000
}

// print writes the tables: of each language, contestants with their ratio to Wick, which
// is the first of them that has such a measurement.
func (s *stage) print(w io.Writer, o options) {
	table := func(title string, of func(*contestant) sample, more func(*contestant) string) {
		fmt.Fprintln(w, title)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "  \tmedian ms\tp95 ms\tof Wick's\t\t\t\n")
		base := map[string]float64{}
		for _, c := range s.contestants {
			got := of(c)
			if len(got) == 0 {
				continue
			}
			median := got.quantile(0.5)
			if base[c.language] == 0 {
				base[c.language] = median
			}
			fmt.Fprintf(t, "  \t%.2f\t%.2f\t%.2f ×\t%s\t%s\t  %s\n",
				median, got.quantile(0.95), median/base[c.language], more(c), c.language, c.name)
		}
		_ = t.Flush() // what can't be printed can't be complained about
		fmt.Fprintln(w)
	}
	none := func(*contestant) string { return "" }
	table(fmt.Sprintf("Cold: the first answer, %d times", o.rounds), func(c *contestant) sample { return c.coldTook }, none)
	table(fmt.Sprintf("Warm: one client, %d events", max(o.warm/o.rounds, 1)*o.rounds), func(c *contestant) sample { return c.warmTook }, none)
	table(fmt.Sprintf("Warm: %d clients at a time, with events/s", o.clients), func(c *contestant) sample { return c.busyTook },
		func(c *contestant) string { return fmt.Sprintf("%.0f/s", float64(len(c.busyTook))/c.busySeconds) })
}
