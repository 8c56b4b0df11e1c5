package insights

import (
	"math"
	"regexp"
	"slices"
	"strings"
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
	kept := sortedRow{r.keep(), keys, 0}
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
}

func (s *sorter) sort() {
	slices.SortStableFunc(s.rows, func(a, b sortedRow) int {
		for i, k := range s.keys {
			c := compare(a.keys[i], b.keys[i])
			if k.descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
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
	statsCommand struct {
		aggregates []aggregate
		by         []column
	}
	aggregate struct {
		fn      string
		name    string
		of      expression // nil for count(*)
		percent float64
	}
)

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

func (s *statsStage) push(r *row) {
	by := make([]any, len(s.c.by))
	var key strings.Builder
	for i, c := range s.c.by {
		by[i] = c.of.eval(r)
		key.WriteString(text(by[i]))
		key.WriteByte(0)
	}
	g := s.groups[key.String()]
	if g == nil {
		if !s.memory.hold(mapBytes + 2*key.Len() + len(by)*valueBytes + len(s.c.aggregates)*accumulatorBytes) {
			return
		}
		g = &statsGroup{by: by, acc: make([]accumulator, len(s.c.aggregates))}
		s.groups[key.String()] = g
		s.order = append(s.order, g)
	}
	for i := range s.c.aggregates {
		g.acc[i].add(&s.c.aggregates[i], r, s.memory)
	}
}

func (s *statsStage) end() {
	if len(s.order) == 0 && len(s.c.by) == 0 {
		s.order = []*statsGroup{{acc: make([]accumulator, len(s.c.aggregates))}}
	}
	for _, g := range s.order {
		r := &row{columns: []string{}}
		for i, c := range s.c.by {
			r.put(c.name, g.by[i])
			r.columns = append(r.columns, c.name)
		}
		for i := range s.c.aggregates {
			a := &s.c.aggregates[i]
			r.put(a.name, g.acc[i].result(a))
			r.columns = append(r.columns, a.name)
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
	firstAt, lastAt any
	seen            map[string]struct{}
	values          []float64
}

// put keeps a value in the place of another.
func (m *memory) put(place *any, v any) {
	before, _ := (*place).(string)
	after, _ := v.(string) // what isn't text takes no room of its own
	if m.hold(len(after) - len(before)) {
		*place = v
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
			acc.seen[t] = struct{}{}
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
		at := r.get("@timestamp")
		if acc.first == nil || compare(at, acc.firstAt) < 0 {
			m.put(&acc.first, v)
			acc.firstAt = at
		}
		if acc.last == nil || compare(at, acc.lastAt) >= 0 {
			m.put(&acc.last, v)
			acc.lastAt = at
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
