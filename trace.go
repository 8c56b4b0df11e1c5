package wick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// TraceHeader is an X-Amzn-Trace-Id header, taken apart.
// Source: X-Ray developer guide, tracing header.
type TraceHeader struct {
	Root    string // the trace ID, 1-8HEX-24HEX
	Parent  string // the calling segment's ID, 16HEX
	Sampled string // "1", "0", "?", or "" when undecided
	Rest    string // what else there is, as it came: Lineage=…
}

// ParseTraceHeader takes a header apart. Whatever it is, it doesn't fail: what a
// header lacks is empty.
func ParseTraceHeader(header string) TraceHeader {
	var h TraceHeader
	for part := range strings.SplitSeq(header, ";") {
		part = strings.TrimSpace(part)
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "Root":
			h.Root = value
		case "Parent":
			h.Parent = value
		case "Sampled":
			h.Sampled = value
		case "", "Self": // Self is a load balancer's own mark on its way
		default:
			if h.Rest != "" {
				h.Rest += ";"
			}
			h.Rest += part
		}
	}
	return h
}

// String returns the header in the order AWS writes it.
func (h TraceHeader) String() string {
	var b strings.Builder
	b.Grow(len(h.Root) + len(h.Parent) + len(h.Sampled) + len(h.Rest) + 24)
	for _, f := range [...]struct{ name, value string }{
		{"Root=", h.Root}, {"Parent=", h.Parent}, {"Sampled=", h.Sampled}, {"", h.Rest},
	} {
		if f.value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.name)
		b.WriteString(f.value)
	}
	return b.String()
}

// SampledSegment returns the trace of a header that a function was given and the
// segment in it that is the function's, which the header calls Parent; ok is false
// when the trace isn't recorded. For the usual header, which isn't, it costs one search.
func SampledSegment(header string) (traceID, segmentID string, ok bool) {
	if !strings.Contains(header, "Sampled=1") {
		return "", "", false
	}
	h := ParseTraceHeader(header)
	if h.Sampled != "1" || !ValidTraceID(h.Root) || !ValidSegmentID(h.Parent) {
		return "", "", false
	}
	return h.Root, h.Parent, true
}

// ValidTraceID says whether id has the form 1-8HEX-24HEX.
func ValidTraceID(id string) bool {
	return len(id) == 35 && id[:2] == "1-" && id[10] == '-' && isHex(id[2:10]) && isHex(id[11:])
}

// ValidSegmentID says whether id has the form 16HEX.
func ValidSegmentID(id string) bool { return len(id) == 16 && isHex(id) }

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// RelatedSegmentID derives the ID of a segment or subsegment that belongs to the one
// with the given ID: whoever knows that one knows all of them.
func RelatedSegmentID(id, name string) string {
	sum := sha256.Sum256([]byte(id + "/" + name))
	return hex.EncodeToString(sum[:8])
}

// Invoked is how the service, not an instance, saw an event: when it accepted it and
// what it answered. It is stated for events whose trace is recorded.
type Invoked struct {
	Function  *Function
	RequestID string
	Trace     string    // the header the function got
	Parent    string    // the segment that called, "" for none
	Began     time.Time // accepted
	Ended     time.Time // answered
	Status    int       // of the answer: 200, 429, 500
	Failed    bool      // the function did; the status is 200 all the same
	Error     []byte    // then the error object
}

// TraceSegment is a segment document, or a subsegment sent apart from its segment.
// Source: X-Ray developer guide, segment documents.
type TraceSegment struct {
	Account, Region string
	TraceID, ID     string
	Start           time.Time
	End             time.Time // Start while it is in progress
	Document        []byte    // JSON
}

// TraceQuery selects traces by when they began.
type TraceQuery struct {
	Account, Region string
	From, To        time.Time // [From, To]
	// Before continues a list behind the trace it names: only traces that began
	// earlier, or at the same time and have a lower ID.
	Before TraceCursor
	Limit  int // 0: 100
}

// TraceCursor is a place in a list of traces; zero is before its beginning.
type TraceCursor struct {
	Start time.Time
	ID    string
}

// StoredTrace is all that was stored of a trace.
type StoredTrace struct {
	ID        string
	Start     time.Time // of its first segment
	Documents [][]byte  // by their start
	// LimitExceeded says that segments were left out because the trace was too large.
	LimitExceeded bool
}

// TraceStore keeps segments.
type TraceStore interface {
	// PutSegments stores segments in one transaction. One that is there already, by its
	// trace and ID, is replaced: a segment in progress by the whole one. A trace that
	// would exceed MaxTraceBytes takes no more.
	PutSegments(ctx context.Context, segments []TraceSegment) error
	// Traces returns traces, latest first.
	Traces(ctx context.Context, q TraceQuery) ([]StoredTrace, error)
	// TracesByID returns those of the traces that there are, in the order of ids.
	TracesByID(ctx context.Context, account, region string, ids []string) ([]StoredTrace, error)
	// DropTraces deletes up to limit traces that ended before a time, and says how many.
	DropTraces(ctx context.Context, before time.Time, limit int) (int, error)
}

// MaxTraceBytes bounds the documents of one trace; AWS's own bound is 500 KB.
const MaxTraceBytes = 4 << 20

// SamplingRule says which of the events that it matches are sampled: so many each second
// (the reservoir), and a share of the others. Source: X-Ray developer guide, sampling rules.
type SamplingRule struct {
	Account, Region string
	Name            string // DefaultSamplingRule is the last one's
	Priority        int    // the lowest that matches decides, of equal ones the first by name
	ReservoirSize   int
	FixedRate       float64

	// What it matches: * and ? stand for any characters and one.
	ServiceName, ServiceType, Host, HTTPMethod, URLPath, ResourceARN string
	Attributes                                                       map[string]string

	Tags              map[string]string
	Created, Modified time.Time
}

// DefaultSamplingRule is the rule that is always there, and matches what no other does.
const DefaultSamplingRule = "Default"

// SamplingRuleStore keeps sampling rules.
type SamplingRuleStore interface {
	// PutSamplingRule makes a rule or replaces the one of its name.
	PutSamplingRule(ctx context.Context, r SamplingRule) error
	// SamplingRules returns all rules of all accounts.
	SamplingRules(ctx context.Context) ([]SamplingRule, error)
	DeleteSamplingRule(ctx context.Context, account, region, name string) error
}
