package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/traces"
)

// The columns of a drawn trace: names, durations, and the bars in what is left.
const (
	defaultColumns = 80
	maxColumns     = 160
	nameColumns    = 36
	timeColumns    = 8
)

// drawTrace draws a trace as a waterfall and says what went wrong below it.
func drawTrace(w io.Writer, t *client.Trace) error {
	rows, err := rowsOfTrace(t)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("trace %s has no segments that can be read", t.ID)
	}
	from, to := rows[0].Start(), rows[0].End()
	for _, r := range rows {
		if r.Start().Before(from) {
			from = r.Start()
		}
		if r.End().After(to) {
			to = r.End()
		}
	}
	p := paintFor(w)
	if _, err := fmt.Fprintf(w, "%s  %s  %s\n\n", t.ID, from.Local().Format("2006-01-02 15:04:05.000"), millisText(t.DurationMS)); err != nil {
		return err
	}
	bars := columnsOf(w) - nameColumns - timeColumns - 2
	for _, r := range rows {
		line := fmt.Sprintf("%s %*s ", fit(r.label(), nameColumns), timeColumns, millisText(milliseconds(r.Duration())))
		bar := drawBar(r.Start().Sub(from), r.Duration(), to.Sub(from), bars)
		if _, err := fmt.Fprintln(w, strings.TrimRight(p.paint(r.style(), line)+p.paint(r.barStyle(), bar), " ")); err != nil {
			return err
		}
	}
	return printCauses(w, p, rows)
}

// traceRow is a segment or subsegment in its place in the tree.
type traceRow struct {
	*traces.Segment
	depth int
	top   bool // a segment, not a subsegment
}

// rowsOfTrace puts the segments of a trace in the order of calls: each below the
// segment or subsegment that called it.
func rowsOfTrace(t *client.Trace) ([]traceRow, error) {
	var tops []*traces.Segment
	known := map[string]bool{}
	for _, text := range t.Segments {
		var s traces.Segment
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("a segment of %s is not to be read: %w", t.ID, err)
		}
		tops = append(tops, &s)
		markKnown(&s, known)
	}
	called := map[string][]*traces.Segment{}
	for _, s := range tops {
		if known[s.ParentID] {
			called[s.ParentID] = append(called[s.ParentID], s)
		}
	}
	var rows []traceRow
	drawn := map[*traces.Segment]bool{} // two segments can claim to have called each other
	var add func(s *traces.Segment, depth int, top bool)
	add = func(s *traces.Segment, depth int, top bool) {
		if drawn[s] {
			return
		}
		drawn[s] = true
		rows = append(rows, traceRow{s, depth, top})
		for _, sub := range s.Subsegments {
			if sub != nil {
				add(sub, depth+1, false)
			}
		}
		for _, c := range called[s.ID] {
			add(c, depth+1, true)
		}
	}
	for _, s := range tops {
		if !known[s.ParentID] {
			add(s, 0, true)
		}
	}
	for _, s := range tops { // those in a circle
		add(s, 0, true)
	}
	return rows, nil
}

func markKnown(s *traces.Segment, known map[string]bool) {
	known[s.ID] = true
	for _, sub := range s.Subsegments {
		if sub != nil {
			markKnown(sub, known)
		}
	}
}

func (r *traceRow) label() string {
	text := strings.Repeat("  ", min(r.depth, 8)) + r.Name
	if r.top && r.Origin != "" {
		text += " " + strings.TrimPrefix(r.Origin, "AWS::")
	}
	switch result := traceResult(r.Error, r.Fault, r.Throttle); {
	case result != "ok":
		text += " " + result
	case r.InProgress:
		text += " …"
	}
	return text
}

func (r *traceRow) style() style {
	switch {
	case r.Fault || r.Error || r.Throttle:
		return red
	case r.top:
		return bold
	}
	return ""
}

func (r *traceRow) barStyle() style {
	switch {
	case r.Fault || r.Error || r.Throttle:
		return red
	case r.Name == "Initialization" || r.Name == "Overhead":
		return yellow
	case r.top:
		return dim
	}
	return green
}

// drawBar draws a span of a whole in so many columns; however short, it can be seen.
func drawBar(start, length, whole time.Duration, columns int) string {
	if whole <= 0 || columns <= 0 {
		return ""
	}
	at := func(d time.Duration) int { return int(float64(d) / float64(whole) * float64(columns)) }
	from, to := at(start), min(at(start+length), columns)
	if to <= from {
		return strings.Repeat(" ", min(from, columns-1)) + "▏"
	}
	return strings.Repeat(" ", from) + strings.Repeat("█", to-from)
}

// fit makes text so many columns wide.
func fit(text string, columns int) string {
	switch n := utf8.RuneCountInString(text); {
	case n > columns:
		return string([]rune(text)[:columns-1]) + "…"
	case n < columns:
		return text + strings.Repeat(" ", columns-n)
	}
	return text
}

func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return defaultColumns
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		return max(min(n, maxColumns), nameColumns+timeColumns+12)
	}
	return defaultColumns // a pipe
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// printCauses writes the exceptions of a trace, each once.
func printCauses(w io.Writer, p painter, rows []traceRow) error {
	said := map[string]bool{}
	for i := range rows {
		var c struct {
			Exceptions []struct {
				Type, Message string
				Stack         []struct {
					Path, Label string
					Line        int
				}
			}
		}
		if len(rows[i].Cause) == 0 || json.Unmarshal(rows[i].Cause, &c) != nil {
			continue // none, or another segment's
		}
		for _, e := range c.Exceptions {
			text := e.Type + ": " + e.Message
			if said[text] {
				continue
			}
			said[text] = true
			if _, err := fmt.Fprintf(w, "\n%s\n", p.paint(red, text)); err != nil {
				return err
			}
			for _, f := range e.Stack {
				if _, err := fmt.Fprintf(w, "    %s:%d %s\n", f.Path, f.Line, f.Label); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
