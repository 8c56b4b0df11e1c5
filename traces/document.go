package traces

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wick-run/wick"
)

// MaxDocumentBytes bounds a segment document. Source: X-Ray quotas.
const MaxDocumentBytes = 64 << 10

// Segment is a segment or subsegment as it is read.
type Segment struct {
	ID          string          `json:"id"`
	TraceID     string          `json:"trace_id"`
	ParentID    string          `json:"parent_id"`
	Type        string          `json:"type"` // subsegment, when sent apart from its segment
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"` // aws, remote
	Origin      string          `json:"origin"`
	ResourceARN string          `json:"resource_arn"`
	User        string          `json:"user"`
	StartTime   float64         `json:"start_time"`
	EndTime     float64         `json:"end_time"`
	InProgress  bool            `json:"in_progress"`
	Error       bool            `json:"error"`
	Fault       bool            `json:"fault"`
	Throttle    bool            `json:"throttle"`
	Inferred    bool            `json:"inferred"`
	HTTP        *HTTP           `json:"http"`
	AWS         map[string]any  `json:"aws"`
	Annotations map[string]any  `json:"annotations"`
	Cause       json.RawMessage `json:"cause"`
	Subsegments []*Segment      `json:"subsegments"`

	// Document is the whole JSON of a segment at the top of a trace.
	Document string `json:"-"`
}

// HTTP is what a segment knows of a request.
type HTTP struct {
	Request  *HTTPRequest  `json:"request,omitempty"`
	Response *HTTPResponse `json:"response,omitempty"`
}

// HTTPRequest is the request's half.
type HTTPRequest struct {
	Method    string `json:"method,omitempty"`
	URL       string `json:"url,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	ClientIP  string `json:"client_ip,omitempty"`
}

// HTTPResponse is the response's.
type HTTPResponse struct {
	Status int `json:"status,omitempty"`
}

// Start returns when the segment began.
func (s *Segment) Start() time.Time { return fromSeconds(s.StartTime) }

// End returns when it ended; its start while it is in progress.
func (s *Segment) End() time.Time { return fromSeconds(max(s.StartTime, s.EndTime)) }

// Duration returns how long it took.
func (s *Segment) Duration() time.Duration { return s.End().Sub(s.Start()) }

// status returns the HTTP status of its answer, or 0.
func (s *Segment) status() int {
	if s.HTTP == nil || s.HTTP.Response == nil {
		return 0
	}
	return s.HTTP.Response.Status
}

// failed says whether the segment has an error (a client's mistake, 4xx), a fault
// (the service's, 5xx) or was throttled (429).
func (s *Segment) failed() (isError, isFault, isThrottle bool) {
	n := s.status()
	return s.Error || s.Throttle || n >= 400 && n < 500, s.Fault || n >= 500, s.Throttle || n == 429
}

// walk calls visit for a segment and all below it, parents first.
func (s *Segment) walk(visit func(*Segment)) {
	visit(s)
	for _, sub := range s.Subsegments {
		if sub != nil {
			sub.walk(visit)
		}
	}
}

// Rejection is why a document isn't taken. Source: PutTraceSegments, UnprocessedTraceSegments.
type Rejection struct {
	ID      string // "" when the document doesn't say
	Code    string
	Message string
}

// Error returns the message.
func (r *Rejection) Error() string { return r.Message }

// parseDocument reads a segment that somebody sent; its errors are *Rejection.
func parseDocument(text []byte) (*Segment, error) {
	if len(text) > MaxDocumentBytes {
		return nil, &Rejection{Code: "SegmentTooLarge", Message: fmt.Sprintf("Invalid segment. It has %d bytes; %d are allowed.", len(text), MaxDocumentBytes)}
	}
	var s Segment
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, &Rejection{ID: s.ID, Code: "ParseError", Message: "Invalid segment. ErrorCode: ParseError: " + err.Error()}
	}
	refuse := func(code string) (*Segment, error) {
		return nil, &Rejection{ID: s.ID, Code: code, Message: "Invalid segment. ErrorCode: " + code}
	}
	switch {
	case !wick.ValidSegmentID(s.ID):
		return refuse("InvalidId")
	case !wick.ValidTraceID(s.TraceID):
		return refuse("InvalidTraceId")
	case s.ParentID != "" && !wick.ValidSegmentID(s.ParentID), s.Type == "subsegment" && s.ParentID == "":
		return refuse("InvalidParentId")
	case s.Name == "" || len(s.Name) > 200:
		return refuse("InvalidName")
	case s.StartTime <= 0 || s.StartTime > maxSeconds:
		return refuse("InvalidStartTime")
	case s.EndTime == 0 && !s.InProgress, s.EndTime < 0 || s.EndTime > maxSeconds:
		return refuse("InvalidEndTime")
	case s.EndTime > 0 && s.EndTime < s.StartTime:
		return refuse("InvalidEndTime")
	}
	parts := 0
	s.walk(func(*Segment) { parts++ })
	if parts*minPartBytes > len(text) {
		return refuse("InvalidSubsegment")
	}
	return &s, nil
}

// minPartBytes is less than the ID, name and start of a subsegment take. One without them
// is none, and takes a hundred times its text to read.
const minPartBytes = 50

// maxSeconds keeps times within what arithmetic on them can hold (the year 5138).
const maxSeconds = 1e11

// sent is a document that a function or a client sent. It holds nothing of the document
// but its text.
type sent struct {
	wick.TraceSegment
	src *wick.Source // nil for a client's
}

func (s *sent) bytes() int64 { return int64(len(s.Document)) + 512 }

func (s *sent) segments() []wick.TraceSegment { return []wick.TraceSegment{s.TraceSegment} }

func (s *sent) source() *wick.Source { return s.src }

// Put takes a segment document. Its error is a *Rejection.
func (t *Traces) Put(account, region string, text []byte) error {
	return t.put(nil, account, region, text)
}

func (t *Traces) put(src *wick.Source, account, region string, text []byte) error {
	s, err := parseDocument(text)
	if err != nil {
		return err
	}
	t.add(&sent{src: src, TraceSegment: wick.TraceSegment{
		Account: account, Region: region, TraceID: s.TraceID, ID: s.ID,
		Start: s.Start(), End: s.End(), Document: bytes.Clone(text),
	}})
	return nil
}

// Datagram takes what a function sent to the X-Ray daemon's address: a header line and
// a document. It doesn't block, and keeps nothing of b. What isn't a segment is
// dropped, and only the operator who looks for it hears of that: AWS's daemon doesn't
// answer either.
// Source: X-Ray developer guide, sending segment documents to the daemon.
func (t *Traces) Datagram(src *wick.Source, b []byte) {
	text, err := splitDatagram(b)
	if err == nil {
		err = t.put(src, src.Function.Account, src.Function.Region, text)
	}
	if err != nil {
		t.o.Log.Debug("a function's datagram to the X-Ray daemon is no segment", "function", src.Function.Name, "error", err)
	}
}

// splitDatagram returns the document behind a datagram's header.
func splitDatagram(b []byte) ([]byte, error) {
	head, text, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, errors.New("it has no header line")
	}
	var h struct {
		Format  string  `json:"format"`
		Version float64 `json:"version"`
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if h.Format != "json" || h.Version != 1 {
		return nil, fmt.Errorf("it is of format %q, version %v; json, 1 is known", h.Format, h.Version)
	}
	return bytes.TrimSpace(text), nil
}

// Drop counts what a function sent too fast to be looked at.
func (t *Traces) Drop(n int) { t.drop(n) }
