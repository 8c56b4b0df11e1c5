package otlp

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/wick-run/wick"
)

// attributes are put together and sent.
type attributes []*commonpb.KeyValue

// text adds a string, unless it is empty.
func (a *attributes) text(key, value string) {
	if value != "" {
		*a = append(*a, &commonpb.KeyValue{Key: key, Value: stringValue(value)})
	}
}

func (a *attributes) number(key string, value int64) {
	*a = append(*a, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}})
}

func (a *attributes) truth(key string, value bool) {
	*a = append(*a, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value}}})
}

// list adds a list of one string.
func (a *attributes) list(key, value string) {
	if value != "" {
		*a = append(*a, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{
			ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{stringValue(value)}},
		}}})
	}
}

// any adds a value of JSON: a string, number or truth; others are left out.
func (a *attributes) any(key string, value any) {
	switch v := value.(type) {
	case string:
		a.text(key, v)
	case bool:
		a.truth(key, v)
	case float64:
		*a = append(*a, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}})
	}
}

// stringValue makes a value of a string, which protobuf wants to be UTF-8.
func stringValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(s)}}
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// functionResource says which function something is of.
// Source: OpenTelemetry semantic conventions, FaaS, AWS Lambda and cloud resources.
func functionResource(id wick.FunctionID, version string, memoryMB int) attributes {
	var a attributes
	a.text("service.name", id.Name)
	a.text("cloud.provider", "aws")
	a.text("cloud.platform", "aws_lambda")
	a.text("cloud.region", id.Region)
	a.text("cloud.account.id", id.Account)
	a.text("cloud.resource_id", id.ARN())
	a.text("faas.name", id.Name)
	a.text("faas.version", version)
	if memoryMB > 0 {
		a.number("faas.max_memory", int64(memoryMB)<<20)
	}
	return a
}

// sourceResource says which instance something is of.
func sourceResource(src *wick.Source) *resourcepb.Resource {
	f := src.Function
	if f == nil {
		f = &wick.Function{}
	}
	a := functionResource(f.FunctionID, f.Version, f.MemoryMB)
	a.text("faas.instance", src.LogStream)
	a.list("aws.log.group.names", src.LogGroup)
	a.list("aws.log.stream.names", src.LogStream)
	return &resourcepb.Resource{Attributes: a}
}

// ownResource is Wick itself: what happens to an event before and after its function has it.
func (e *Exporter) ownResource() *resourcepb.Resource {
	var a attributes
	a.text("service.name", "wick")
	a.text("service.version", e.o.Version)
	return &resourcepb.Resource{Attributes: a}
}

func (e *Exporter) scope() *commonpb.InstrumentationScope {
	return &commonpb.InstrumentationScope{Name: "github.com/wick-run/wick", Version: e.o.Version}
}

// traceID turns X-Ray's 1-8HEX-24HEX into W3C's 16 bytes: it has the same digits. It is
// nil for what is no trace ID.
func traceID(id string) []byte {
	if !wick.ValidTraceID(id) {
		return nil
	}
	b, _ := hex.DecodeString(id[2:10] + id[11:]) // hexadecimal, it says above
	return b
}

// spanID turns a segment's ID into a span's, which it is; nil for what is none.
func spanID(id string) []byte {
	if !wick.ValidSegmentID(id) {
		return nil
	}
	b, _ := hex.DecodeString(id) // likewise
	return b
}
