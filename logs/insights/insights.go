// Package insights is the query language of CloudWatch Logs Insights: commands joined
// with | (fields, filter, parse, stats, sort, limit, dedup, display) over log records.
// A query is compiled once; a Run takes records in the order of time and gives rows.
//
// aws/logs runs queries with it.
// Source: CloudWatch Logs Insights, query syntax.
package insights

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// MaxRows is how many rows a query gives, and how many without a limit of its own.
// Source: CloudWatch Logs quotas.
const MaxRows = 10_000

// SyntaxError says what is wrong with a query and where.
type SyntaxError struct {
	Reason string
	Pos    int // the byte in the query, from 0
}

// Error returns the reason and place.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at position %d", e.Reason, e.Pos) }

// Query is a compiled query. It can be run several times.
type Query struct {
	commands []command
	limit    int // of the request; 0 for none
}

// Field is one column of a row.
type Field struct{ Name, Value string }

// command makes a stage of a run that hands rows on to next.
type command interface {
	stage(next stage, after []command, m *memory) stage
}

// stage takes rows; end is called once after the last.
type stage interface {
	push(r *row)
	end()
}

// ErrTooLarge is what a query ends with that would have to hold too much in memory.
var ErrTooLarge = errors.New("the query has to hold too much at once: narrow its time or filter more")

// maxHeld is how much that is, in bytes.
const maxHeld = 128 << 20

// memory counts what the stages of a run hold, roughly.
type memory struct {
	held, most int64
	full       bool // there was more to hold than may be
}

// hasRoom says whether n bytes more may be held.
func (m *memory) hasRoom(n int) bool { return m.held+int64(n) <= m.most }

// hold counts n bytes more, or less; false says that they can't be held.
func (m *memory) hold(n int) bool {
	if n > 0 && !m.hasRoom(n) {
		m.full = true
		return false
	}
	m.held += int64(n)
	return true
}

// Compile reads a query; its error is a *SyntaxError. limit bounds the rows of a query
// that has no limit command; 0 is MaxRows.
func Compile(text string, limit int) (*Query, error) {
	p := &parser{text: text}
	q := &Query{limit: limit}
	if q.limit <= 0 || q.limit > MaxRows {
		q.limit = MaxRows
	}
	for {
		p.space()
		if p.pos == len(p.text) && len(q.commands) == 0 {
			return nil, &SyntaxError{"the query is empty", p.pos}
		}
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		if c != nil {
			q.commands = append(q.commands, c)
		}
		if p.space(); p.pos == len(p.text) {
			return q, nil
		}
		if !p.take("|") {
			return nil, p.unexpected()
		}
	}
}

// Run is one execution of a query.
type Run struct {
	first   stage
	row     row         // of the record that was added last
	counts  *statsStage // where whole runs of records are counted; nil where they can't be
	last    *results
	scanned int64
	bytes   int64
	matched int64
	memory  *memory
}

// inOrder returns the commands with the order that a query without one of its own has: the
// newest records first.
func inOrder(commands []command) []command {
	at := len(commands) // before limit and dedup, which depend on the order
	for i, c := range commands {
		switch c.(type) {
		case sortCommand, statsCommand:
			return commands
		case limitCommand, dedupCommand:
			at = min(at, i)
		}
	}
	newest := sortCommand{{of: name("@timestamp"), descending: true}}
	return append(append(append([]command(nil), commands[:at]...), newest), commands[at:]...)
}

// Start begins a run.
func (q *Query) Start() *Run {
	m := &memory{most: maxHeld}
	last := &results{limit: q.limit, memory: m}
	commands := inOrder(q.commands)
	// What the filters let through is counted before anything is put together or cut off.
	counted := len(commands)
	for i := len(commands) - 1; i >= 0; i-- {
		switch commands[i].(type) {
		case sortCommand, statsCommand, limitCommand, dedupCommand:
			counted = i
		}
	}
	run := &Run{last: last, memory: m}
	count := func(next stage) stage {
		return stageFunc{next, func(r *row, next stage) { run.matched++; next.push(r) }}
	}
	var s stage = last
	if counted == len(commands) {
		s = count(s)
	}
	for i := len(commands) - 1; i >= 0; i-- {
		after := append(append([]command(nil), commands[i+1:]...), limitCommand(q.limit))
		s = commands[i].stage(s, after, m)
		if stats, ok := s.(*statsStage); ok && stats.c.onlyCounts() && plain(commands[:i]) {
			run.counts = stats
		}
		if i == counted {
			s = count(s)
		}
	}
	run.first = s
	return run
}

// Unordered says whether a query gives the same rows in whatever order it is given
// records: it sorts them or adds them up before anything that depends on it.
func (q *Query) Unordered() bool {
	for _, c := range inOrder(q.commands) {
		switch c.(type) {
		case sortCommand, statsCommand:
			return true
		case fieldsCommand, filterCommand, parseCommand:
		default:
			return false
		}
	}
	return false
}

// plain says whether commands change nothing that counting sees.
func plain(commands []command) bool {
	for _, c := range commands {
		f, ok := c.(fieldsCommand)
		if !ok {
			return false
		}
		for _, col := range f.columns {
			if n, ok := col.of.(name); !ok || string(n) != col.name {
				return false
			}
		}
	}
	return true
}

// Add takes a record, and holds on to nothing of it. group is the name of its log group with
// the account, as @log. A run that has failed takes none.
func (r *Run) Add(e *wick.LogEvent, group string) {
	if r.Err() != nil {
		return
	}
	r.scanned++
	r.bytes += int64(len(e.Message))
	r.row.reset(e, group)
	r.first.push(&r.row)
}

// AddWhole takes records of one stream by what they have in common: how many there are,
// their oldest and newest time, and how much text. false says that the run has to see them.
func (r *Run) AddWhole(group, stream string, first, last time.Time, records int, bytes int64) bool {
	if r.counts == nil || r.Err() != nil {
		return false
	}
	begin := row{event: &wick.LogEvent{Timestamp: first, Stream: stream}, group: group}
	end := row{event: &wick.LogEvent{Timestamp: last, Stream: stream}, group: group}
	key, by := r.counts.c.key(&begin)
	if other, _ := r.counts.c.key(&end); other != key {
		return false
	}
	r.scanned += int64(records)
	r.bytes += bytes
	r.matched += int64(records)
	if g := r.counts.group(key, by); g != nil {
		for i := range g.acc {
			g.acc[i].n += int64(records)
		}
	}
	return true
}

// Err returns ErrTooLarge once the run holds too much: its rows are not the answer.
func (r *Run) Err() error {
	if r.memory.full {
		return ErrTooLarge
	}
	return nil
}

// Scanned returns how many records and bytes were taken.
func (r *Run) Scanned() (records, bytes int64) { return r.scanned, r.bytes }

// Matched returns how many records were left after filters, as far as they have come.
func (r *Run) Matched() int64 { return r.matched }

// End returns the rows. The run is over.
func (r *Run) End() [][]Field {
	r.first.end()
	return r.last.rows
}

// results is the last stage: it renders rows.
type results struct {
	limit  int
	rows   [][]Field
	memory *memory
}

func (s *results) push(r *row) {
	if len(s.rows) == s.limit {
		return
	}
	columns := r.columns
	if columns == nil {
		columns = []string{"@timestamp", "@message"}
	}
	fields := make([]Field, 0, len(columns)+1)
	for _, c := range columns {
		if v := r.get(c); v != nil {
			fields = append(fields, Field{c, text(v)})
		}
	}
	if r.event != nil {
		fields = append(fields, Field{"@ptr", r.pointer()})
	}
	if s.memory.hold(SizeOf(fields)) {
		s.rows = append(s.rows, fields)
	}
}

func (s *results) end() {}

// SizeOf is what a row of an answer takes in memory, roughly.
func SizeOf(fields []Field) int {
	n := valueBytes
	for _, f := range fields {
		n += 2*valueBytes + len(f.Value)
	}
	return n
}

// quoteName undoes `name`.
func quoteName(s string) string { return strings.Trim(s, "`") }
