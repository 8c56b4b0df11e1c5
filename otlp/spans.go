package otlp

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/wick-run/wick"
)

// span is a segment that waits to be sent, with the instance it is of, if that is known.
type span struct {
	src     *wick.Source
	segment *wick.TraceSegment
}

// Segment takes a segment that was stored: package traces' Forward. It doesn't block.
func (e *Exporter) Segment(src *wick.Source, s *wick.TraceSegment) {
	e.spans.put(span{src, s}, len(s.Document)+256)
}

// document is what spans are made of. Source: X-Ray developer guide, segment documents.
type document struct {
	ID          string          `json:"id"`
	TraceID     string          `json:"trace_id"`
	ParentID    string          `json:"parent_id"`
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"`
	Origin      string          `json:"origin"`
	User        string          `json:"user"`
	StartTime   float64         `json:"start_time"`
	EndTime     float64         `json:"end_time"`
	InProgress  bool            `json:"in_progress"`
	Error       bool            `json:"error"`
	Fault       bool            `json:"fault"`
	Throttle    bool            `json:"throttle"`
	Cause       json.RawMessage `json:"cause"` // an object, or the ID of another segment's exception
	AWS         map[string]any  `json:"aws"`
	Annotations map[string]any  `json:"annotations"`
	Metadata    map[string]any  `json:"metadata"`
	SQL         struct {
		Query string `json:"sanitized_query"`
		Type  string `json:"database_type"`
		User  string `json:"user"`
	} `json:"sql"`
	HTTP struct {
		Request struct {
			Method    string `json:"method"`
			URL       string `json:"url"`
			UserAgent string `json:"user_agent"`
			ClientIP  string `json:"client_ip"`
		} `json:"request"`
		Response struct {
			Status int64 `json:"status"`
		} `json:"response"`
	} `json:"http"`
	Subsegments []*document `json:"subsegments"`
}

// renderSpans makes a request of segments.
func (e *Exporter) renderSpans(batch []span) proto.Message {
	var out tracepb.TracesData
	of := map[any]*tracepb.ScopeSpans{}
	scope := func(key any, resource func() *resourcepb.Resource) *tracepb.ScopeSpans {
		s := of[key]
		if s == nil {
			s = &tracepb.ScopeSpans{Scope: e.scope()}
			of[key] = s
			out.ResourceSpans = append(out.ResourceSpans, &tracepb.ResourceSpans{Resource: resource(), ScopeSpans: []*tracepb.ScopeSpans{s}})
		}
		return s
	}
	for _, item := range batch {
		var d document
		if json.Unmarshal(item.segment.Document, &d) != nil || d.InProgress {
			continue // what is in progress comes again, whole
		}
		var to *tracepb.ScopeSpans
		switch {
		case item.src != nil:
			to = scope(item.src, func() *resourcepb.Resource { return sourceResource(item.src) })
		case d.Origin == originService:
			to = scope(originService, e.ownResource)
		default: // a client's
			to = scope("client "+d.Name, func() *resourcepb.Resource {
				var a attributes
				a.text("service.name", d.Name)
				return &resourcepb.Resource{Attributes: a}
			})
		}
		d.append(to, traceID(d.TraceID), d.ParentID)
	}
	return &out
}

// Origins of Lambda's two segments.
const (
	originService  = "AWS::Lambda"
	originFunction = "AWS::Lambda::Function"
)

// append adds a segment and all below it.
func (d *document) append(to *tracepb.ScopeSpans, trace []byte, parent string) {
	id := spanID(d.ID)
	if trace == nil || id == nil || d.InProgress {
		return
	}
	s := &tracepb.Span{
		TraceId: trace, SpanId: id, ParentSpanId: spanID(parent), Name: valid(d.Name), Kind: d.kind(),
		StartTimeUnixNano: nanos(d.StartTime), EndTimeUnixNano: nanos(max(d.StartTime, d.EndTime)), Flags: 1, // sampled
		Attributes: d.attributes(), Status: d.status(),
	}
	s.Events = d.exceptions(s.EndTimeUnixNano)
	to.Spans = append(to.Spans, s)
	for _, sub := range d.Subsegments {
		if sub != nil {
			sub.append(to, trace, d.ID)
		}
	}
}

// nanos turns seconds since 1970 into nanoseconds, to the microsecond that they have.
func nanos(seconds float64) uint64 {
	if seconds <= 0 || seconds > 1e10 {
		return 0
	}
	return uint64(math.Round(seconds*1e6)) * 1000
}

// kind says how a span relates to others: the service calls the function, and the
// function serves that call. Source: OpenTelemetry semantic conventions, FaaS spans.
func (d *document) kind() tracepb.Span_SpanKind {
	switch {
	case d.Origin == originService, d.Namespace == "aws", d.Namespace == "remote":
		return tracepb.Span_SPAN_KIND_CLIENT
	case d.Origin != "", d.Type == "" && d.TraceID != "":
		return tracepb.Span_SPAN_KIND_SERVER
	}
	return tracepb.Span_SPAN_KIND_INTERNAL
}

func (d *document) attributes() attributes {
	var a attributes
	request := d.aws("request_id")
	switch d.Origin {
	case originService:
		a.text("faas.invoked_name", d.Name)
		a.text("faas.invoked_provider", "aws")
		arn := d.aws("function_arn")
		if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
			a.text("faas.invoked_region", parts[3])
		}
		a.text("aws.lambda.invoked_arn", arn)
		a.text("aws.request_id", request)
	case originFunction:
		a.text("faas.trigger", "other")
		a.text("faas.invocation_id", request)
		a.text("aws.lambda.invoked_arn", d.aws("function_arn"))
		a.truth("faas.coldstart", d.has("Initialization"))
	default:
		for key := range d.AWS {
			if key == "request_id" {
				a.text("aws.request_id", request)
			} else if text := d.aws(key); text != "" {
				a.text("aws."+key, text)
			}
		}
	}
	a.text("http.request.method", d.HTTP.Request.Method)
	a.text("url.full", d.HTTP.Request.URL)
	a.text("user_agent.original", d.HTTP.Request.UserAgent)
	a.text("client.address", d.HTTP.Request.ClientIP)
	if n := d.HTTP.Response.Status; n > 0 {
		a.number("http.response.status_code", n)
	}
	a.text("db.query.text", d.SQL.Query)
	a.text("db.system.name", strings.ToLower(d.SQL.Type))
	a.text("enduser.id", d.User)
	for key, value := range d.Annotations {
		a.any(key, value)
	}
	for namespace, value := range d.Metadata {
		if text, err := json.Marshal(value); err == nil { // what was read can be written
			a.text("aws.xray.metadata."+namespace, string(text))
		}
	}
	return a
}

// aws returns a text of the segment's aws member.
func (d *document) aws(key string) string {
	text, _ := d.AWS[key].(string) // most segments don't have it
	return text
}

func (d *document) has(subsegment string) bool {
	for _, s := range d.Subsegments {
		if s != nil && s.Name == subsegment {
			return true
		}
	}
	return false
}

func (d *document) status() *tracepb.Status {
	if !d.Error && !d.Fault && !d.Throttle {
		return &tracepb.Status{}
	}
	s := &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	if d.Throttle {
		s.Message = "throttled"
	}
	if list := d.causes(); len(list) > 0 {
		s.Message = valid(list[0].Message)
	}
	return s
}

// exception is one of a cause's.
type exception struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Stack   []struct {
		Path  string `json:"path"`
		Line  int    `json:"line"`
		Label string `json:"label"`
	} `json:"stack"`
}

func (d *document) causes() []exception {
	var c struct {
		Exceptions []exception `json:"exceptions"`
	}
	if len(d.Cause) == 0 || json.Unmarshal(d.Cause, &c) != nil {
		return nil
	}
	return c.Exceptions
}

// exceptions are the span events of a cause.
// Source: OpenTelemetry semantic conventions, exceptions on spans.
func (d *document) exceptions(at uint64) []*tracepb.Span_Event {
	var list []*tracepb.Span_Event
	for _, x := range d.causes() {
		var a attributes
		a.text("exception.type", x.Type)
		a.text("exception.message", x.Message)
		var stack strings.Builder
		for _, f := range x.Stack {
			stack.WriteString("    at " + f.Label + " (" + f.Path + ":" + strconv.Itoa(f.Line) + ")\n")
		}
		a.text("exception.stacktrace", stack.String())
		list = append(list, &tracepb.Span_Event{Name: "exception", TimeUnixNano: at, Attributes: a})
	}
	return list
}
