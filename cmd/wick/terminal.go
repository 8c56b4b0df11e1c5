package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// style is an ANSI text style.
type style string

const (
	dim    style = "\x1b[2m"
	bold   style = "\x1b[1m"
	red    style = "\x1b[31m"
	green  style = "\x1b[32m"
	yellow style = "\x1b[33m"
)

// painter puts styles on text that goes to one writer; only a terminal gets them, and
// none when NO_COLOR is set (no-color.org).
type painter bool

func paintFor(w io.Writer) painter {
	f, ok := w.(*os.File)
	return painter(ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())))
}

func (p painter) paint(s style, text string) string {
	if !p || text == "" {
		return text
	}
	return string(s) + text + "\x1b[0m"
}

// printJSON writes v as one indented JSON value and a newline.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printTable writes rows in columns under their headings.
func printTable(w io.Writer, headings []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// bytesText writes a size as people read it: 512 B, 1.2 KB, 34 MB. The units are powers
// of two, as in Lambda's own settings.
func bytesText(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < 10*unit:
		return fmt.Sprintf("%.1f KB", float64(n)/unit)
	case n < unit*unit:
		return fmt.Sprintf("%d KB", n/unit)
	case n < 10*unit*unit:
		return fmt.Sprintf("%.1f MB", float64(n)/unit/unit)
	case n < 10*unit*unit*unit: // memory is given in megabytes, up to ten thousand
		return fmt.Sprintf("%d MB", n/unit/unit)
	}
	return fmt.Sprintf("%d GB", n/unit/unit/unit)
}

// age is how long ago something was, as a flag: what time.ParseDuration takes, and days
// and weeks.
type age time.Duration

// Set implements pflag.Value.
func (a *age) Set(text string) error {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, unit)
		if n, err := strconv.ParseFloat(number, 64); ok && err == nil && n >= 0 && n <= maxAgeDays {
			*a = age(n * float64(length))
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("how long ago, such as 30s, 5m, 24h or 7d, is expected")
	}
	*a = age(d)
	return nil
}

// maxAgeDays keeps ages within what a duration can hold.
const maxAgeDays = 10_000

// String implements pflag.Value.
func (a *age) String() string {
	if *a == 0 {
		return "0"
	}
	text := time.Duration(*a).String() // with "0m0s" behind hours, and "0s" behind minutes
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Type implements pflag.Value.
func (a *age) Type() string { return "duration" }

// durationText writes a duration with as much precision as a person reads.
func durationText(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
