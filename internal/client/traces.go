package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
)

// ownBodies sends requests with bodies of its own. The SDK takes a request's body away
// as soon as there is an answer; a server as near as ours can be quicker than the
// transport, which has yet to look for the body's end, and then gives up the
// connection in the middle of the answer.
type ownBodies struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o ownBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return o.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(bytes.NewReader(body))
	return o.RoundTripper.RoundTrip(own)
}

// TraceQuery selects traces. Zero members don't select.
type TraceQuery struct {
	Since  time.Time // at most 24 hours ago; zero: that
	Filter string    // a filter expression
	Limit  int       // the newest; 0: all
}

// TraceSummary is a trace as a list shows it.
type TraceSummary struct {
	ID         string    `json:"id"`
	Start      time.Time `json:"start"`
	DurationMS float64   `json:"durationMs"`
	Entry      string    `json:"entry"` // the service that was called first
	Error      bool      `json:"error"`
	Fault      bool      `json:"fault"`
	Throttle   bool      `json:"throttle"`
}

// Traces lists traces, latest first.
func (c *Client) Traces(ctx context.Context, q TraceQuery) ([]TraceSummary, error) {
	end := time.Now()
	if q.Since.IsZero() {
		q.Since = end.Add(-24 * time.Hour)
	}
	in := &xray.GetTraceSummariesInput{StartTime: aws.Time(q.Since), EndTime: aws.Time(end)}
	if q.Filter != "" {
		in.FilterExpression = aws.String(q.Filter)
	}
	list := []TraceSummary{}
	for {
		out, err := c.XRay.GetTraceSummaries(ctx, in)
		if err != nil {
			return nil, c.Explain(err)
		}
		for i := range out.TraceSummaries {
			if q.Limit > 0 && len(list) == q.Limit {
				return list, nil
			}
			list = append(list, summaryOf(&out.TraceSummaries[i]))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return list, nil
		}
	}
}

func summaryOf(s *types.TraceSummary) TraceSummary {
	t := TraceSummary{
		ID: aws.ToString(s.Id), Start: aws.ToTime(s.StartTime), DurationMS: milliseconds(s.Duration),
		Error: aws.ToBool(s.HasError), Fault: aws.ToBool(s.HasFault), Throttle: aws.ToBool(s.HasThrottle),
	}
	if s.EntryPoint != nil {
		t.Entry = aws.ToString(s.EntryPoint.Name)
	}
	return t
}

// Trace is a whole trace.
type Trace struct {
	ID         string            `json:"id"`
	DurationMS float64           `json:"durationMs"`
	Segments   []json.RawMessage `json:"segments"` // documents, by their start
}

// Trace returns a trace.
func (c *Client) Trace(ctx context.Context, id string) (*Trace, error) {
	out, err := c.XRay.BatchGetTraces(ctx, &xray.BatchGetTracesInput{TraceIds: []string{id}})
	if err != nil {
		return nil, c.Explain(err)
	}
	if len(out.Traces) == 0 {
		return nil, fmt.Errorf("there is no trace %s: only sampled invocations have one, see `wick traces`", id)
	}
	t := &Trace{ID: id, DurationMS: milliseconds(out.Traces[0].Duration)}
	for _, s := range out.Traces[0].Segments {
		t.Segments = append(t.Segments, json.RawMessage(aws.ToString(s.Document)))
	}
	return t, nil
}

// milliseconds turns X-Ray's seconds into milliseconds, to the microsecond, which is what
// they are measured in.
func milliseconds(seconds *float64) float64 { return math.Round(aws.ToFloat64(seconds)*1e6) / 1000 }
