package traces

import (
	"encoding/json"
	"math"
	"time"

	"github.com/wick-run/wick"
)

// Origins of Lambda's two segments. Source: X-Ray developer guide, Lambda.
const (
	originService  = "AWS::Lambda"
	originFunction = "AWS::Lambda::Function"
)

// document is a segment as it is rendered. Source: X-Ray developer guide, segment documents.
type document struct {
	ID          string     `json:"id"`
	TraceID     string     `json:"trace_id,omitempty"`
	ParentID    string     `json:"parent_id,omitempty"`
	Name        string     `json:"name"`
	StartTime   float64    `json:"start_time"`
	EndTime     float64    `json:"end_time"`
	HTTP        *HTTP      `json:"http,omitempty"`
	Error       bool       `json:"error,omitempty"`
	Fault       bool       `json:"fault,omitempty"`
	Throttle    bool       `json:"throttle,omitempty"`
	Cause       *cause     `json:"cause,omitempty"`
	AWS         *aws       `json:"aws,omitempty"`
	Origin      string     `json:"origin,omitempty"`
	ResourceARN string     `json:"resource_arn,omitempty"`
	Subsegments []document `json:"subsegments,omitempty"`
}

type aws struct {
	AccountID     string     `json:"account_id,omitempty"`
	RequestID     string     `json:"request_id,omitempty"`
	FunctionARN   string     `json:"function_arn,omitempty"`
	ResourceNames []string   `json:"resource_names,omitempty"`
	Logs          []logGroup `json:"cloudwatch_logs,omitempty"`
}

type logGroup struct {
	Group string `json:"log_group"`
	ARN   string `json:"arn"`
}

// functionRun is an event as an instance worked on it.
type functionRun struct {
	src            *wick.Source
	at             time.Time // when it was over
	done           wick.RuntimeDone
	trace, segment string
	init           *initialization // not nil for the instance's first event
}

func (r *functionRun) bytes() int64 { return int64(len(r.done.Error)) + 256 }

func (r *functionRun) source() *wick.Source { return r.src }

func (r *functionRun) segments() []wick.TraceSegment {
	f := r.src.Function
	arn := versionARN(f)
	began := r.at.Add(-r.done.Duration)
	answered := r.at
	if r.done.Latency > 0 {
		began = r.at.Add(-r.done.Latency - r.done.Transfer - r.done.Overhead)
		answered = r.at.Add(-r.done.Overhead)
	}
	failed := r.done.Status != wick.StatusSuccess
	d := document{
		ID: r.segment, TraceID: r.trace, ParentID: wick.RelatedSegmentID(r.segment, originService), Name: f.Name,
		StartTime: seconds(began), EndTime: seconds(r.at), Origin: originFunction, ResourceARN: arn, Fault: failed,
		AWS: &aws{
			AccountID: f.Account, RequestID: r.done.RequestID, FunctionARN: arn, ResourceNames: []string{f.Name},
			Logs: []logGroup{{r.src.LogGroup, logGroupARN(f, r.src.LogGroup)}},
		},
	}
	part := func(name string, from, to time.Time, fault bool) *document {
		d.Subsegments = append(d.Subsegments, document{
			ID: wick.RelatedSegmentID(r.segment, name), Name: name, StartTime: seconds(from), EndTime: seconds(to),
			Fault: fault, AWS: &aws{FunctionARN: arn},
		})
		return &d.Subsegments[len(d.Subsegments)-1]
	}
	if r.init != nil {
		part("Initialization", r.init.began, r.init.ended, r.init.failed)
	}
	invocation := part("Invocation", began, answered, failed)
	if failed {
		invocation.Cause = causeOf(r.segment, r.done.ErrorType, r.done.Error)
		d.Cause = invocation.Cause
	}
	part("Overhead", answered, r.at, false)
	return []wick.TraceSegment{stored(&d, f, began, r.at)}
}

// serviceRun is an event as the service saw it.
type serviceRun struct {
	*wick.Invoked
	trace, segment string
}

func (r *serviceRun) bytes() int64 { return int64(len(r.Error)) + 256 }

func (r *serviceRun) source() *wick.Source { return nil }

func (r *serviceRun) segments() []wick.TraceSegment {
	f := r.Function
	id := wick.RelatedSegmentID(r.segment, originService)
	d := document{
		ID: id, TraceID: r.trace, ParentID: r.Parent, Name: f.Name, StartTime: seconds(r.Began), EndTime: seconds(r.Ended),
		HTTP: &HTTP{Response: &HTTPResponse{Status: r.Status}}, Origin: originService, ResourceARN: versionARN(f),
		AWS:   &aws{AccountID: f.Account, RequestID: r.RequestID, FunctionARN: versionARN(f), ResourceNames: []string{f.Name}},
		Fault: r.Failed || r.Status >= 500, Throttle: r.Status == 429, Error: r.Status >= 400 && r.Status < 500,
	}
	if r.Failed {
		d.Cause = causeOf(id, "", r.Error)
	}
	return []wick.TraceSegment{stored(&d, f, r.Began, r.Ended)}
}

func stored(d *document, f *wick.Function, from, to time.Time) wick.TraceSegment {
	b, err := json.Marshal(d)
	if err != nil { // strings, numbers and booleans always marshal
		panic(err)
	}
	return wick.TraceSegment{Account: f.Account, Region: f.Region, TraceID: d.TraceID, ID: d.ID, Start: from, End: to, Document: b}
}

func versionARN(f *wick.Function) string {
	if f.Version == wick.Latest {
		return f.ARN()
	}
	return f.QualifiedARN(f.Version)
}

func logGroupARN(f *wick.Function, group string) string {
	return "arn:" + wick.Partition(f.Region) + ":logs:" + f.Region + ":" + f.Account + ":log-group:" + group
}

// seconds is a time as segments have it: since 1970, to the microsecond.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// fromSeconds is the other way.
func fromSeconds(s float64) time.Time { return time.UnixMicro(int64(math.Round(s * 1e6))).UTC() }
