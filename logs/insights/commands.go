package insights

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

type (
	column struct {
		name string
		of   expression
	}
	fieldsCommand struct {
		columns []column
		only    bool // display: these and no others
	}
	filterCommand struct{ condition expression }
	parseCommand  struct {
		of    expression
		re    *regexp.Regexp
		names []string
	}
	limitCommand int
	dedupCommand []string
	sortCommand  []sortKey
	sortKey      struct {
		of         expression
		text       string
		descending bool
	}
)

// stageFunc is a stage that keeps nothing.
type stageFunc struct {
	next stage
	f    func(r *row, next stage)
}

func (s stageFunc) push(r *row) { s.f(r, s.next) }
func (s stageFunc) end()        { s.next.end() }

func (c fieldsCommand) stage(next stage, _ []command, _ *memory) stage {
	return stageFunc{next, func(r *row, next stage) {
		if c.only {
			r.columns = nil
		}
		r.columns = slices.Clip(r.columns)
		for _, col := range c.columns {
			if n, ok := col.of.(name); !ok || string(n) != col.name {
				r.put(col.name, col.of.eval(r))
			}
			if !slices.Contains(r.columns, col.name) {
				r.columns = append(r.columns, col.name)
			}
		}
		next.push(r)
	}}
}

func (c filterCommand) stage(next stage, _ []command, _ *memory) stage {
	return stageFunc{next, func(r *row, next stage) {
		if truth(c.condition.eval(r)) {
			next.push(r)
		}
	}}
}

func (c parseCommand) stage(next stage, _ []command, _ *memory) stage {
	return stageFunc{next, func(r *row, next stage) {
		if v := c.of.eval(r); v != nil {
			if m := c.re.FindStringSubmatch(text(v)); m != nil {
				for i, n := range c.names {
					if n != "" {
						r.put(n, m[i+1])
					}
				}
			}
		}
		next.push(r)
	}}
}

func (c limitCommand) stage(next stage, _ []command, _ *memory) stage {
	n := 0
	return stageFunc{next, func(r *row, next stage) {
		if n++; n <= int(c) {
			next.push(r)
		}
	}}
}

func (c dedupCommand) stage(next stage, _ []command, m *memory) stage {
	seen := map[string]bool{}
	return stageFunc{next, func(r *row, next stage) {
		var b strings.Builder
		for _, n := range c {
			v := r.get(n)
			if v == nil {
				return // Insights leaves out what lacks one of the fields
			}
			b.WriteString(text(v))
			b.WriteByte(0)
		}
		if !seen[b.String()] && m.hold(mapBytes+b.Len()) {
			seen[b.String()] = true
			next.push(r)
		}
	}}
}

// sorter keeps rows until the end; when a limit follows, not many more than that.
type sorter struct {
	keys sortCommand
	next stage
	most int // 0 for all
	rows []sortedRow
	last *sortedRow // of those that the limit leaves, so far; nil before there are as many

	memory *memory
}

type sortedRow struct {
	row  *row
	keys []any
	size int
}

func (c sortCommand) stage(next stage, after []command, m *memory) stage {
	s := &sorter{keys: c, next: next, memory: m}
	for _, c := range after {
		switch c := c.(type) {
		case fieldsCommand, parseCommand: // as many rows as before
			continue
		case limitCommand:
			s.most = int(c)
		}
		return s
	}
	return s
}

func (s *sorter) push(r *row) {
	keys := make([]any, len(s.keys))
	for i, k := range s.keys {
		if keys[i] = k.of.eval(r); keys[i] == nil && k.text != "" {
			keys[i] = r.get(k.text)
		}
	}
	kept := sortedRow{row: r, keys: keys}
	if s.last != nil && s.compare(kept, *s.last) >= 0 {
		return // a limit lets go of it
	}
	kept.row = r.keep()
	for i := range keys {
		keys[i] = cloned(keys[i])
	}
	kept.size = kept.row.size() + len(keys)*valueBytes
	if !s.memory.hasRoom(kept.size) || s.most > 0 && len(s.rows) >= 2*s.most+1000 {
		s.cut()
	}
	if s.memory.hold(kept.size) {
		s.rows = append(s.rows, kept)
	}
}

// cut lets go of the rows that a limit will.
func (s *sorter) cut() {
	if s.most == 0 || len(s.rows) <= s.most {
		return
	}
	s.sort()
	for i := range s.rows[s.most:] {
		s.memory.hold(-s.rows[s.most+i].size)
	}
	s.rows = slices.Clone(s.rows[:s.most])
	last := s.rows[s.most-1]
	s.last = &last
}

func (s *sorter) sort() { slices.SortStableFunc(s.rows, s.compare) }

func (s *sorter) compare(a, b sortedRow) int {
	for i, k := range s.keys {
		c := compare(a.keys[i], b.keys[i])
		if k.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	// The newest first is so within a millisecond, too.
	if s.keys[0].of == name("@timestamp") && s.keys[0].descending {
		return before(b.row.event, a.row.event)
	}
	return before(a.row.event, b.row.event)
}

func (s *sorter) end() {
	s.sort()
	for i := range s.rows {
		s.memory.hold(-s.rows[i].size)
		s.next.push(s.rows[i].row)
		s.rows[i] = sortedRow{}
	}
	s.rows = nil
	s.next.end()
}

type (
	// statsCommand has the aggregates that its columns are made of, which find their results
	// in the row by their places.
	statsCommand struct {
		aggregates []aggregate
		columns    []column
		by         []column
	}
	aggregate struct {
		fn      string
		of      expression // nil for count(*)
		percent float64
	}
)

// placeOf is the name under which the columns of stats find an aggregate's result: none that
// a query can write.
func placeOf(i int) name { return name("\x00" + strconv.Itoa(i)) }

// aggregates are the functions of stats.
var aggregates = map[string]bool{
	"count": true, "count_distinct": true, "sum": true, "avg": true, "min": true, "max": true, "pct": true, "percentile": true,
	"median": true, "stddev": true, "earliest": true, "latest": true, "sortsfirst": true, "sortslast": true,
}

// statsStage keeps one accumulator for each group and aggregate.
type statsStage struct {
	c      statsCommand
	next   stage
	groups map[string]*statsGroup
	order  []*statsGroup
	memory *memory
}

type statsGroup struct {
	by  []any
	acc []accumulator
}

func (c statsCommand) stage(next stage, _ []command, m *memory) stage {
	return &statsStage{c: c, next: next, groups: map[string]*statsGroup{}, memory: m}
}

// key renders what a row is grouped by.
func (c *statsCommand) key(r *row) (key string, by []any) {
	if len(c.by) == 0 {
		return "", nil
	}
	by = make([]any, len(c.by))
	var b strings.Builder
	for i, col := range c.by {
		by[i] = col.of.eval(r)
		b.WriteString(text(by[i]))
		b.WriteByte(0)
	}
	return b.String(), by
}

// onlyCounts says whether a command counts records, by what all of a run of a stream's may
// have in common.
func (c *statsCommand) onlyCounts() bool {
	for _, a := range c.aggregates {
		if a.of != nil && a.of != name("@message") && a.of != name("@timestamp") || a.fn != "count" {
			return false
		}
	}
	for _, col := range c.by {
		switch of := col.of.(type) {
		case bin:
			if of.of != name("@timestamp") {
				return false
			}
		case name:
			if of != "@logStream" && of != "@log" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// group returns the group of a key, made if need be; nil when there is no room for it.
func (s *statsStage) group(key string, by []any) *statsGroup {
	g := s.groups[key]
	if g != nil {
		return g
	}
	if !s.memory.hold(mapBytes + 2*len(key) + len(by)*valueBytes + len(s.c.aggregates)*accumulatorBytes) {
		return nil
	}
	for i, v := range by {
		by[i] = cloned(v)
	}
	g = &statsGroup{by: by, acc: make([]accumulator, len(s.c.aggregates))}
	s.groups[key] = g
	s.order = append(s.order, g)
	return g
}

func (s *statsStage) push(r *row) {
	if g := s.group(s.c.key(r)); g != nil {
		for i := range s.c.aggregates {
			g.acc[i].add(&s.c.aggregates[i], r, s.memory)
		}
	}
}

// cloned returns a value that holds on to nothing but itself: a text is mostly a part of a
// longer one.
func cloned(v any) any {
	if s, ok := v.(string); ok {
		return strings.Clone(s)
	}
	return v
}

func (s *statsStage) end() {
	if len(s.order) == 0 && len(s.c.by) == 0 {
		s.order = []*statsGroup{{acc: make([]accumulator, len(s.c.aggregates))}}
	}
	slices.SortStableFunc(s.order, func(a, b *statsGroup) int { return slices.CompareFunc(a.by, b.by, compare) })
	for _, g := range s.order {
		r := &row{columns: []string{}}
		for i, c := range s.c.by {
			r.put(c.name, g.by[i])
			r.columns = append(r.columns, c.name)
		}
		for i := range s.c.aggregates {
			r.put(string(placeOf(i)), g.acc[i].result(&s.c.aggregates[i]))
		}
		for _, c := range s.c.columns { // one may be made of those before it
			r.put(c.name, c.of.eval(r))
			r.columns = append(r.columns, c.name)
		}
		for i := range s.c.aggregates {
			delete(r.set, string(placeOf(i)))
		}
		s.next.push(r)
	}
	s.next.end()
}

// accumulator is one aggregate so far.
type accumulator struct {
	n               int64
	sum, squares    float64
	low, high       any
	first, last     any
	firstAt, lastAt *wick.LogEvent // where first and last are from
	seen            map[string]struct{}
	values          []float64
}

// put keeps a value in the place of another.
func (m *memory) put(place *any, v any) {
	before, _ := (*place).(string)
	after, _ := v.(string) // what isn't text takes no room of its own
	if m.hold(len(after) - len(before)) {
		*place = cloned(v)
	}
}

func (acc *accumulator) add(a *aggregate, r *row, m *memory) {
	if a.of == nil {
		acc.n++
		return
	}
	v := a.of.eval(r)
	if v == nil {
		return
	}
	f, isNumber := number(v)
	switch a.fn {
	case "count":
		acc.n++
	case "count_distinct":
		if acc.seen == nil {
			acc.seen = map[string]struct{}{}
		}
		if t := text(v); !has(acc.seen, t) && m.hold(mapBytes+len(t)) {
			acc.seen[strings.Clone(t)] = struct{}{}
		}
	case "min", "sortsfirst":
		if acc.low == nil || compare(v, acc.low) < 0 {
			m.put(&acc.low, v)
		}
	case "max", "sortslast":
		if acc.high == nil || compare(v, acc.high) > 0 {
			m.put(&acc.high, v)
		}
	case "earliest", "latest":
		if acc.first == nil || before(r.event, acc.firstAt) < 0 {
			m.put(&acc.first, v)
			place(&acc.firstAt, r.event)
		}
		if acc.last == nil || before(r.event, acc.lastAt) >= 0 {
			m.put(&acc.last, v)
			place(&acc.lastAt, r.event)
		}
	case "pct", "percentile", "median":
		if isNumber && m.hold(valueBytes) {
			acc.values = append(acc.values, f)
		}
	default:
		if isNumber {
			acc.n++
			acc.sum += f
			acc.squares += f * f
		}
	}
}

func has(set map[string]struct{}, s string) bool {
	_, ok := set[s]
	return ok
}

func (acc *accumulator) result(a *aggregate) any {
	switch a.fn {
	case "count":
		return float64(acc.n)
	case "count_distinct":
		return float64(len(acc.seen))
	case "min", "sortsfirst":
		return acc.low
	case "max", "sortslast":
		return acc.high
	case "earliest":
		return acc.first
	case "latest":
		return acc.last
	case "pct", "percentile":
		return percentile(acc.values, a.percent)
	case "median":
		return percentile(acc.values, 50)
	}
	if acc.n == 0 {
		return nil
	}
	n := float64(acc.n)
	switch a.fn {
	case "sum":
		return acc.sum
	case "avg":
		return acc.sum / n
	}
	return math.Sqrt(max(0, acc.squares/n-(acc.sum/n)*(acc.sum/n)))
}

// percentile is the value that p percent of all are below or equal to.
func percentile(values []float64, p float64) any {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	i := int(math.Ceil(p/100*float64(len(values)))) - 1
	return values[min(max(i, 0), len(values)-1)]
}
