package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/client"
)

// activity is what happened on a server between two moments.
type activity struct {
	At        time.Time          `json:"at"`
	Seconds   float64            `json:"seconds"` // since the moment before
	Functions []functionActivity `json:"functions"`
	Waiting   int                `json:"waiting"`
	Starting  int                `json:"starting"`
	Instances int                `json:"instances"`
	Ahead     int                `json:"ahead"`
	Memory    int64              `json:"memoryBytes"`
	Limit     int64              `json:"memoryLimitBytes"`
	Recorded  bool               `json:"recorded"` // else there are no rates and latencies
}

// functionActivity is that of one function version. Latencies are nil when no invocation
// ended.
type functionActivity struct {
	Account     string   `json:"account"`
	Region      string   `json:"region"`
	Function    string   `json:"function"`
	Version     string   `json:"version"`
	Rate        float64  `json:"invocationsPerSecond"`
	ErrorRate   float64  `json:"errorRate"` // share of those that failed
	Throttles   float64  `json:"throttlesPerSecond"`
	P50         *float64 `json:"p50Millis"`
	P99         *float64 `json:"p99Millis"`
	Concurrency int64    `json:"concurrency"`
	ColdStarts  float64  `json:"coldStarts"` // in all
	NewColds    float64  `json:"coldStartsPerSecond"`
	Total       float64  `json:"invocations"` // in all
	Instances   int      `json:"instances"`
	Memory      int64    `json:"memoryBytes"`
}

// activityBetween compares two counts. Those of a server that was started anew count
// from nothing.
func activityBetween(before, after *client.Counts) (*activity, error) {
	a := &activity{
		At: after.At, Seconds: after.At.Sub(before.At).Seconds(), Functions: []functionActivity{}, Waiting: after.Waiting,
		Starting: after.Starting, Ahead: after.Ahead, Memory: after.MemoryBytes, Limit: after.MemoryLimitBytes,
		Recorded: after.Recorded,
	}
	type key struct{ account, region, function, version string }
	keyOf := func(f *client.FunctionCounts) key { return key{f.Account, f.Region, f.Function, f.Version} }
	earlier := map[key]*client.FunctionCounts{}
	if before.PID == after.PID {
		for i := range before.Functions {
			earlier[keyOf(&before.Functions[i])] = &before.Functions[i]
		}
	}
	for i := range after.Functions {
		now := &after.Functions[i]
		was := earlier[keyOf(now)]
		if was == nil || was.Invocations > now.Invocations {
			was = &client.FunctionCounts{Duration: client.Distribution{Bins: emptyBins}}
		}
		f, err := functionBetween(was, now, a.Seconds)
		if err != nil {
			return nil, err
		}
		a.Instances += now.Instances
		a.Functions = append(a.Functions, f)
	}
	return a, nil
}

var emptyBins = new(wick.Distribution).AppendBins(nil)

func functionBetween(was, now *client.FunctionCounts, seconds float64) (functionActivity, error) {
	perSecond := func(before, after float64) float64 {
		if seconds <= 0 {
			return 0
		}
		return max(0, after-before) / seconds
	}
	f := functionActivity{
		Account: now.Account, Region: now.Region, Function: now.Function, Version: now.Version,
		Rate: perSecond(was.Invocations, now.Invocations), Throttles: perSecond(was.Throttles, now.Throttles),
		NewColds: perSecond(was.ColdStarts, now.ColdStarts), Concurrency: now.Concurrency, ColdStarts: now.ColdStarts,
		Total: now.Invocations, Instances: now.Instances, Memory: now.MemoryBytes,
	}
	ended := now.Invocations - was.Invocations
	if ended <= 0 {
		return f, nil
	}
	f.ErrorRate = max(0, now.Errors-was.Errors) / ended
	before, err := was.Duration.Values()
	if err != nil {
		return f, err
	}
	values, err := now.Duration.Values()
	if err != nil {
		return f, err
	}
	values = values.Minus(&before)
	for q, to := range map[float64]**float64{0.5: &f.P50, 0.99: &f.P99} {
		if v, ok := values.Quantile(q); ok {
			*to = &v
		}
	}
	return f, nil
}

// topOrders are what functions can be sorted by, most first.
var topOrders = []struct {
	name string
	less func(a, b *functionActivity) int
}{
	{"rate", func(a, b *functionActivity) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Concurrency, a.Concurrency))
	}},
	{"errors", func(a, b *functionActivity) int { return cmp.Compare(b.ErrorRate*b.Rate, a.ErrorRate*a.Rate) }},
	{"throttles", func(a, b *functionActivity) int { return cmp.Compare(b.Throttles, a.Throttles) }},
	{"p50", func(a, b *functionActivity) int { return compareLatency(b.P50, a.P50) }},
	{"p99", func(a, b *functionActivity) int { return compareLatency(b.P99, a.P99) }},
	{"concurrency", func(a, b *functionActivity) int { return cmp.Compare(b.Concurrency, a.Concurrency) }},
	{"cold", func(a, b *functionActivity) int { return cmp.Compare(b.ColdStarts, a.ColdStarts) }},
	{"memory", func(a, b *functionActivity) int { return cmp.Compare(b.Memory, a.Memory) }},
	{"name", func(_, _ *functionActivity) int { return 0 }},
}

func compareLatency(a, b *float64) int {
	value := func(v *float64) float64 {
		if v == nil {
			return -1
		}
		return *v
	}
	return cmp.Compare(value(a), value(b))
}

func orderNames() []string {
	names := make([]string, len(topOrders))
	for i, o := range topOrders {
		names[i] = o.name
	}
	return names
}

func orderNamed(name string) int { return slices.Index(orderNames(), name) }

// sort puts the functions in an order, those that are equal in that of their names.
func (a *activity) sort(order int, reversed bool) {
	slices.SortFunc(a.Functions, func(x, y functionActivity) int {
		c := topOrders[order].less(&x, &y)
		if c == 0 {
			c = cmp.Or(cmp.Compare(x.Function, y.Function), cmp.Compare(x.Version, y.Version), cmp.Compare(x.Account+x.Region, y.Account+y.Region))
		}
		if reversed {
			return -c
		}
		return c
	})
}

// column is a column of the table; those with a higher rank go first when it is narrow.
type column struct {
	head  string
	width int
	rank  int
	text  func(f *functionActivity) string
}

var topColumns = []column{
	{"INV/S", 7, 0, func(f *functionActivity) string { return rateText(f.Rate) }},
	{"ERR%", 5, 1, func(f *functionActivity) string { return percentText(f.ErrorRate) }},
	{"THR/S", 5, 5, func(f *functionActivity) string { return rateText(f.Throttles) }},
	{"P50", 7, 2, func(f *functionActivity) string { return latencyText(f.P50) }},
	{"P99", 7, 3, func(f *functionActivity) string { return latencyText(f.P99) }},
	{"CONC", 4, 4, func(f *functionActivity) string { return strconv.FormatInt(f.Concurrency, 10) }},
	{"COLD", 5, 6, func(f *functionActivity) string { return strconv.FormatFloat(f.ColdStarts, 'f', 0, 64) }},
	{"MEM", 8, 4, func(f *functionActivity) string { return bytesText(f.Memory) }},
	{"INST", 4, 7, func(f *functionActivity) string { return strconv.Itoa(f.Instances) }},
	{"TOTAL", 9, 8, func(f *functionActivity) string { return strconv.FormatFloat(f.Total, 'f', 0, 64) }},
}

// leastName is the least width that names get, and enoughName what columns leave them
// before further ones are shown.
const (
	leastName  = 8
	enoughName = 20
)

// columnsFor returns the columns that fit beside names.
func columnsFor(width int) []column {
	columns := slices.Clone(topColumns)
	need := func() int {
		n := 0
		for _, c := range columns {
			n += c.width + 1
		}
		return n
	}
	for len(columns) > 1 && need()+enoughName > width {
		worst := 0
		for i, c := range columns {
			if c.rank >= columns[worst].rank {
				worst = i
			}
		}
		columns = slices.Delete(columns, worst, worst+1)
	}
	return columns
}

// text renders an interval as a table of a width.
func (a *activity) text(width int, painted bool) string {
	p := painter(painted)
	var b strings.Builder
	for _, line := range a.summary(width) {
		b.WriteString(line + "\n")
	}
	columns := columnsFor(width)
	names := width
	for _, c := range columns {
		names -= c.width + 1
	}
	names = max(leastName, names)
	head := fmt.Sprintf("%-*s", names, "FUNCTION")
	for _, c := range columns {
		head += fmt.Sprintf(" %*s", c.width, c.head)
	}
	b.WriteString(p.paint(bold, cut(head, width)) + "\n")
	for i := range a.Functions {
		f := &a.Functions[i]
		line := pad(cut(f.name(), names), names)
		for _, c := range columns {
			line += fmt.Sprintf(" %*s", c.width, c.text(f))
		}
		s := style("")
		switch {
		case f.ErrorRate > 0:
			s = red
		case f.Throttles > 0:
			s = yellow
		case f.Rate == 0 && f.Concurrency == 0:
			s = dim
		}
		line = strings.TrimRight(cut(line, width), " ")
		if s != "" {
			line = p.paint(s, line)
		}
		b.WriteString(line + "\n")
	}
	switch {
	case !a.Recorded:
		b.WriteString(cut("The server records no metrics: see --record of wick serve.", width) + "\n")
	case len(a.Functions) == 0:
		b.WriteString(cut("Nothing yet: functions are here once they are invoked.", width) + "\n")
	}
	return b.String()
}

// name is how a function version is shown.
func (f *functionActivity) name() string {
	if f.Version == wick.Latest {
		return f.Function
	}
	return f.Function + ":" + f.Version
}

// summary says how all is, in as many lines as it takes.
func (a *activity) summary(width int) []string {
	rate, failed, throttled, busy := 0.0, 0.0, 0.0, int64(0)
	for i := range a.Functions {
		f := &a.Functions[i]
		rate += f.Rate
		failed += f.Rate * f.ErrorRate
		throttled += f.Throttles
		busy += f.Concurrency
	}
	parts := []string{
		a.At.Local().Format("15:04:05"), rateText(rate) + "/s", rateText(failed) + " errors/s", rateText(throttled) + " throttles/s",
		fmt.Sprintf("%d busy of %d instances", busy, a.Instances), fmt.Sprintf("%d ahead", a.Ahead),
		fmt.Sprintf("%d waiting", a.Waiting), bytesText(a.Memory) + " of " + bytesText(a.Limit),
	}
	var lines []string
	line := ""
	for _, part := range parts {
		if line != "" && utf8.RuneCountInString(line)+2+len(part) > width {
			lines = append(lines, cut(line, width))
			line = ""
		}
		if line != "" {
			line += "  "
		}
		line += part
	}
	return append(lines, cut(line, width))
}

// rateText writes a rate: 0, 0.5, 12, 3.4k.
func rateText(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 99_999.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v/1000, 'f', 0, 64) + "k"
}

func percentText(share float64) string {
	switch p := share * 100; {
	case p == 0:
		return "0"
	case p < 0.05:
		return "<0.1"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64)
	default:
		return strconv.FormatFloat(p, 'f', 0, 64)
	}
}

// latencyText writes milliseconds briefly.
func latencyText(ms *float64) string {
	switch {
	case ms == nil:
		return "-"
	case *ms < 9.95:
		return strconv.FormatFloat(*ms, 'f', 1, 64) + "ms"
	case *ms < 9999.5:
		return strconv.FormatFloat(*ms, 'f', 0, 64) + "ms"
	}
	return strconv.FormatFloat(*ms/1000, 'f', 0, 64) + "s"
}

// cut shortens a text to a number of columns.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	runes := []rune(s)
	if width <= 1 {
		return string(runes[:max(0, width)])
	}
	return string(runes[:width-1]) + "…"
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// isTerminal says whether what is written is seen by a person as it comes.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
