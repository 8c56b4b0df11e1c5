package otlp

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/wick-run/wick"
)

// record is a log record that waits to be sent.
type record struct {
	src        *wick.Source
	at         time.Time
	seen       time.Time
	text       string
	level      string
	requestID  string
	invocation invocation
}

// invocation is what an instance works on, of a trace that is recorded.
type invocation struct{ trace, segment string }

// scratch is what rendering one event needs.
type scratch struct {
	text []byte
	ends []int
}

var scratches = sync.Pool{New: func() any { return &scratch{text: make([]byte, 0, 1024), ends: make([]int, 0, 4)} }}

// maxScratch is up to which size a scratch is kept for the next event.
const maxScratch = 64 << 10

// Record implements wick.Recorder: the lines that an event is in the function's log are
// records, each with the invocation and span it belongs to.
func (e *Exporter) Record(at time.Time, src *wick.Source, ev wick.Event) {
	switch ev := ev.(type) {
	case wick.InvokeStart:
		if trace, segment, ok := wick.SampledSegment(ev.Trace); ok {
			e.current.Store(src, invocation{strings.Clone(trace), strings.Clone(segment)})
		}
	case wick.StateChanged:
		if ev.To == wick.InstanceStopped {
			e.current.Delete(src)
		}
		return
	}
	s, _ := scratches.Get().(*scratch) // nothing else is in there
	s.text, s.ends = wick.AppendLog(s.text[:0], s.ends[:0], at, src, ev)
	if len(s.ends) > 0 {
		r := record{src: src, at: at, seen: time.Now(), level: level(ev), requestID: strings.Clone(wick.RequestIDOf(ev))}
		if r.requestID != "" {
			if v, ok := e.current.Load(src); ok {
				r.invocation, _ = v.(invocation) // nothing else is in there
			}
		}
		start := 0
		for _, end := range s.ends {
			r.text = string(bytes.TrimRight(s.text[start:end], "\n"))
			e.logs.put(r, len(r.text)+256)
			start = end
		}
	}
	if cap(s.text) <= maxScratch {
		scratches.Put(s)
	}
	if _, over := ev.(wick.Report); over {
		e.current.Delete(src)
	}
}

// level returns how severe an event is: as it says itself, in JSON or in the form that
// AWS's runtimes have for text.
func level(ev wick.Event) string {
	if _, ok := ev.(wick.Fault); ok {
		return "ERROR"
	}
	if l := wick.Level(ev); l != "" {
		return l
	}
	if line, ok := ev.(wick.LogLine); ok {
		return textLevel(line.Text)
	}
	return ""
}

// textLevels are the levels of text logs and what they are called in OpenTelemetry.
var textLevels = map[string]string{
	"TRACE": "TRACE", "DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARN", "WARNING": "WARN", "ERROR": "ERROR", "CRITICAL": "FATAL", "FATAL": "FATAL",
}

// textLevel finds the level of a line of text: [ERROR] at its beginning (Python, Ruby), or
// the third of fields that tabs divide (Node.js). "" when it says none.
func textLevel(line string) string {
	if strings.HasPrefix(line, "[") {
		name, _, ok := strings.Cut(line[1:], "]")
		if ok {
			return textLevels[name]
		}
		return ""
	}
	for range 2 {
		i := strings.IndexByte(line, '\t')
		if i < 0 || i > 64 {
			return ""
		}
		line = line[i+1:]
	}
	name, _, _ := strings.Cut(line, "\t")
	return textLevels[name]
}

var severities = map[string]logspb.SeverityNumber{
	"TRACE": logspb.SeverityNumber_SEVERITY_NUMBER_TRACE, "DEBUG": logspb.SeverityNumber_SEVERITY_NUMBER_DEBUG,
	"INFO": logspb.SeverityNumber_SEVERITY_NUMBER_INFO, "WARN": logspb.SeverityNumber_SEVERITY_NUMBER_WARN,
	"ERROR": logspb.SeverityNumber_SEVERITY_NUMBER_ERROR, "FATAL": logspb.SeverityNumber_SEVERITY_NUMBER_FATAL,
}

// renderLogs makes a request of records.
func (e *Exporter) renderLogs(batch []record) proto.Message {
	var out logspb.LogsData
	of := map[*wick.Source]*logspb.ScopeLogs{}
	for i := range batch {
		r := &batch[i]
		to := of[r.src]
		if to == nil {
			to = &logspb.ScopeLogs{Scope: e.scope()}
			of[r.src] = to
			out.ResourceLogs = append(out.ResourceLogs, &logspb.ResourceLogs{Resource: sourceResource(r.src), ScopeLogs: []*logspb.ScopeLogs{to}})
		}
		var a attributes
		a.text("faas.invocation_id", r.requestID)
		l := &logspb.LogRecord{
			TimeUnixNano: uint64(r.at.UnixNano()), ObservedTimeUnixNano: uint64(r.seen.UnixNano()),
			SeverityText: r.level, SeverityNumber: severities[r.level], Body: stringValue(r.text), Attributes: a,
		}
		if r.invocation.trace != "" {
			l.TraceId, l.SpanId, l.Flags = traceID(r.invocation.trace), spanID(r.invocation.segment), 1 // sampled
		}
		to.LogRecords = append(to.LogRecords, l)
	}
	return &out
}
