package insights

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// row is a record on its way, or a row that stats made, which has no event. Values are
// nil, string, float64, bool or time.Time.
type row struct {
	event   *wick.LogEvent
	group   string
	set     map[string]any // what commands computed
	columns []string       // what is shown; nil for the default

	discovered bool
	document   map[string]any // of a message that is a JSON object
	report     map[string]any // of a Lambda record
}

// reset makes a row of another record of it.
func (r *row) reset(e *wick.LogEvent, group string) {
	clear(r.set)
	*r = row{event: e, group: group, set: r.set}
}

func (r *row) put(name string, v any) {
	if r.set == nil {
		r.set = map[string]any{}
	}
	r.set[name] = v
}

// get returns a field's value; nil when there is none.
func (r *row) get(name string) any {
	if v, ok := r.set[name]; ok {
		return v
	}
	if r.event == nil {
		return nil
	}
	switch name {
	case "@message":
		return strings.TrimSuffix(r.event.Message, "\n")
	case "@timestamp":
		return r.event.Timestamp
	case "@ingestionTime":
		return r.event.Ingested
	case "@logStream":
		return r.event.Stream
	case "@log":
		return r.group
	case "@ptr":
		return r.pointer()
	}
	r.discover()
	if v, ok := r.report[name]; ok {
		return v
	}
	return member(r.document, name)
}

// What things take in memory, roughly: a value, an entry of a map with its key, an
// aggregate, and a row with its record.
const (
	valueBytes       = 16
	mapBytes         = 64
	accumulatorBytes = 192
	rowBytes         = 384
)

// size is what a row takes that is kept.
func (r *row) size() int {
	n := rowBytes + len(r.columns)*valueBytes
	if r.event != nil {
		n += len(r.event.Message)
	}
	for _, v := range r.set {
		s, _ := v.(string) // what isn't text takes no room of its own
		n += mapBytes + len(s)
	}
	return n
}

// keep returns a copy of a row, whose memory is the scan's, without what can be discovered
// again: a document takes many times its text. The row itself is of no use any more.
func (r *row) keep() *row {
	k := &row{group: r.group, set: r.set, columns: r.columns}
	r.set = nil
	for name, v := range k.set {
		k.set[name] = cloned(v)
	}
	if r.event != nil {
		e := *r.event
		e.Message, e.RequestID, e.Stream = strings.Clone(e.Message), strings.Clone(e.RequestID), strings.Clone(e.Stream)
		k.event = &e
	}
	return k
}

// before orders events as the log has them: negative when a comes first. nil is of a row
// that stats made; those are alike.
func before(a, b *wick.LogEvent) int {
	if a == nil || b == nil {
		return 0
	}
	return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
}

// place keeps where an event stands in the log, for before.
func place(at **wick.LogEvent, e *wick.LogEvent) {
	if e == nil {
		return
	}
	if *at == nil {
		*at = &wick.LogEvent{}
	}
	if p := *at; p.Stream != e.Stream {
		p.Stream = strings.Clone(e.Stream)
	}
	(*at).Timestamp, (*at).Seq = e.Timestamp, e.Seq
}

func (r *row) pointer() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d/%s", r.event.Timestamp.UnixMilli(), r.event.Seq, r.event.Stream))
}

// discover finds the fields that Insights finds in Lambda's records and in JSON.
func (r *row) discover() {
	if r.discovered {
		return
	}
	r.discovered = true
	message := r.event.Message
	r.report = map[string]any{}
	if r.event.RequestID != "" {
		r.report["@requestId"] = r.event.RequestID
	}
	if strings.HasPrefix(message, "{") {
		r.document = object(message)
		return
	}
	for _, kind := range []string{"START", "END", "REPORT"} {
		if strings.HasPrefix(message, kind+" RequestId: ") {
			r.report["@type"] = kind
		}
	}
	if r.report["@type"] != "REPORT" {
		// Of a line that a function printed, the first object in it is looked into.
		// Source: Insights, supported logs and discovered fields, Lambda.
		if at := strings.IndexByte(message, '{'); at > 0 && r.event.RequestID != "" && r.report["@type"] == nil {
			r.document = object(message[at:])
		}
		return
	}
	if m := reportTrace.FindStringSubmatch(message); m != nil {
		r.report["@xrayTraceId"], r.report["@xraySegmentId"] = m[1], m[2]
	}
	for _, m := range reportField.FindAllStringSubmatch(message, -1) {
		field, ok := reportFields[m[1]]
		n, err := strconv.ParseFloat(m[2], 64)
		if ok && err == nil {
			if m[3] == "MB" {
				n *= 1e6
			}
			r.report[field] = n
		}
	}
}

// object reads the JSON object that a text begins with; nil when there is none.
func object(text string) (document map[string]any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&document) != nil {
		return nil // it only began like one
	}
	return document
}

var (
	reportTrace  = regexp.MustCompile(`XRAY TraceId: (\S+)\s+SegmentId: (\S+)`)
	reportField  = regexp.MustCompile(`([A-Z][A-Za-z ]+): ([0-9.]+) (ms|MB)`)
	reportFields = map[string]string{
		"Duration": "@duration", "Billed Duration": "@billedDuration", "Init Duration": "@initDuration",
		"Memory Size": "@memorySize", "Max Memory Used": "@maxMemoryUsed",
	}
)

// member finds a field of a document by its dotted name: a.b.0.c.
func member(document map[string]any, name string) any {
	if document == nil {
		return nil
	}
	if v, ok := document[name]; ok {
		return scalar(v)
	}
	first, rest, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	at := document[first]
	for part := range strings.SplitSeq(rest, ".") {
		switch in := at.(type) {
		case map[string]any:
			at = in[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			at = in[i]
		default:
			return nil
		}
	}
	return scalar(at)
}

func scalar(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case nil, string, bool:
		return v
	}
	b, _ := json.Marshal(v) // it came out of JSON
	return string(b)
}

const timeFormat = "2006-01-02 15:04:05.000"

// text renders a value.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		return v.UTC().Format(timeFormat)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return strconv.FormatFloat(math.Round(v*1e4)/1e4, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// number returns a value as a number, if it is one or looks like one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case time.Time:
		return float64(v.UnixMilli()), true
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}

// compare orders values: numbers by size, others as text; what isn't there comes first.
func compare(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == nil && b == nil:
			return 0
		case a == nil:
			return -1
		}
		return 1
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if ok1 && ok2 {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(text(a), text(b))
}

// truth says whether a condition's value holds.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != "" && v != "0" && v != "false"
	}
	return v != nil
}
