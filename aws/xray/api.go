package xray

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/traces"
)

// How many traces one call may name. Source: BatchGetTraces; of GetTraceGraph AWS says
// nothing.
const (
	maxTraceIDs   = 5
	maxGraphedIDs = 100
)

// Options configure the API. Traces is needed.
type Options struct {
	Traces *traces.Traces
	Now    func() time.Time // nil: the system's clock
}

// API serves X-Ray's operations.
type API struct {
	o       Options
	service *protocol.Service
	began   time.Time
}

// New returns the API with every operation it has registered.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{o: o, service: protocol.NewService(models.XRay()), began: o.Now()}
	s := a.service
	protocol.Handle(s, "PutTraceSegments", a.putTraceSegments)
	protocol.Handle(s, "PutTelemetryRecords", a.putTelemetryRecords)
	protocol.Handle(s, "BatchGetTraces", a.batchGetTraces)
	protocol.Handle(s, "GetTraceSummaries", a.getTraceSummaries)
	protocol.Handle(s, "GetServiceGraph", a.getServiceGraph)
	protocol.Handle(s, "GetTraceGraph", a.getTraceGraph)
	protocol.Handle(s, "GetTimeSeriesServiceStatistics", a.getTimeSeriesServiceStatistics)
	protocol.Handle(s, "CreateSamplingRule", a.createSamplingRule)
	protocol.Handle(s, "UpdateSamplingRule", a.updateSamplingRule)
	protocol.Handle(s, "DeleteSamplingRule", a.deleteSamplingRule)
	protocol.Handle(s, "GetSamplingRules", a.getSamplingRules)
	protocol.Handle(s, "GetSamplingTargets", a.getSamplingTargets)
	protocol.Handle(s, "GetSamplingStatisticSummaries", a.getSamplingStatisticSummaries)
	return a
}

// Service returns the API for a protocol server.
func (a *API) Service() *protocol.Service { return a.service }

// invalid turns a failure over a parameter into X-Ray's own exception.
func invalid(err error) error {
	var e *wick.Error
	if errors.As(err, &e) && e.Kind == wick.InvalidParameter {
		return &types.InvalidRequestException{Message: aws.String(e.Message)}
	}
	return err
}

func (a *API) putTraceSegments(ctx context.Context, in *xray.PutTraceSegmentsInput) (*xray.PutTraceSegmentsOutput, error) {
	call := protocol.From(ctx)
	out := &xray.PutTraceSegmentsOutput{UnprocessedTraceSegments: []types.UnprocessedTraceSegment{}}
	for _, document := range documents(in.TraceSegmentDocuments) {
		err := a.o.Traces.Put(call.Account, call.Region, []byte(document))
		var refused *traces.Rejection
		switch {
		case errors.As(err, &refused):
			u := types.UnprocessedTraceSegment{ErrorCode: &refused.Code, Message: &refused.Message}
			if refused.ID != "" {
				u.Id = &refused.ID
			}
			out.UnprocessedTraceSegments = append(out.UnprocessedTraceSegments, u)
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}

// documents takes those apart that are arrays, of subsegments. Source: PutTraceSegments.
func documents(list []string) []string {
	all := make([]string, 0, len(list))
	for _, document := range list {
		var parts []json.RawMessage
		if !strings.HasPrefix(strings.TrimLeft(document, " \t\r\n"), "[") || json.Unmarshal([]byte(document), &parts) != nil {
			all = append(all, document)
			continue
		}
		for _, part := range parts {
			all = append(all, string(part))
		}
	}
	return all
}

// putTelemetryRecords takes what daemons tell of themselves, which nobody can ask for.
func (a *API) putTelemetryRecords(context.Context, *xray.PutTelemetryRecordsInput) (*xray.PutTelemetryRecordsOutput, error) {
	return &xray.PutTelemetryRecordsOutput{}, nil
}

// get returns traces by their IDs, most at once.
// Its words are AWS's: github.com/boto/boto3 issue 3924.
func (a *API) get(ctx context.Context, ids []string, next *string, most int) ([]*traces.Trace, []string, error) {
	switch {
	case aws.ToString(next) != "":
		return nil, nil, refuse("NextToken is currently not supported")
	case len(ids) > most:
		return nil, nil, refuse("Exceeding maximum query size: %d", most)
	}
	call := protocol.From(ctx)
	return a.o.Traces.Get(ctx, call.Account, call.Region, ids)
}

func (a *API) batchGetTraces(ctx context.Context, in *xray.BatchGetTracesInput) (*xray.BatchGetTracesOutput, error) {
	found, missing, err := a.get(ctx, in.TraceIds, in.NextToken, maxTraceIDs)
	if err != nil {
		return nil, err
	}
	out := &xray.BatchGetTracesOutput{Traces: []types.Trace{}, UnprocessedTraceIds: append([]string{}, missing...)}
	for _, t := range found {
		trace := types.Trace{
			Id: &t.ID, Duration: aws.Float64(t.Duration().Seconds()), LimitExceeded: &t.LimitExceeded, Segments: []types.Segment{},
		}
		for _, s := range t.Segments {
			trace.Segments = append(trace.Segments, types.Segment{Id: &s.ID, Document: &s.Document})
		}
		out.Traces = append(out.Traces, trace)
	}
	return out, nil
}

func (a *API) getTraceSummaries(ctx context.Context, in *xray.GetTraceSummariesInput) (*summariesOutput, error) {
	call := protocol.From(ctx)
	page, err := a.o.Traces.Summaries(ctx, traces.Query{
		Account: call.Account, Region: call.Region, From: aws.ToTime(in.StartTime), To: aws.ToTime(in.EndTime),
		Filter: aws.ToString(in.FilterExpression), Token: aws.ToString(in.NextToken),
	})
	if err != nil {
		return nil, invalid(err)
	}
	out := &summariesOutput{
		TraceSummaries: []traceSummary{}, ApproximateTime: aws.Time(a.o.Now()),
		TracesProcessedCount: aws.Int64(int64(page.Scanned)), NextToken: optional(page.Next),
	}
	for i := range page.Summaries {
		out.TraceSummaries = append(out.TraceSummaries, summary(&page.Summaries[i]))
	}
	return out, nil
}

// checkGroup refuses groups but the one that is everything.
func checkGroup(name, arn *string) error {
	if arn != nil || name != nil && *name != "Default" {
		return wick.Errorf(wick.NotBuilt, "Wick doesn't have X-Ray's groups yet")
	}
	return nil
}

func (a *API) getServiceGraph(ctx context.Context, in *xray.GetServiceGraphInput) (*xray.GetServiceGraphOutput, error) {
	if err := checkGroup(in.GroupName, in.GroupARN); err != nil {
		return nil, err
	}
	call := protocol.From(ctx)
	nodes, err := a.o.Traces.Graph(ctx, call.Account, call.Region, aws.ToTime(in.StartTime), aws.ToTime(in.EndTime))
	if err != nil {
		return nil, invalid(err)
	}
	return &xray.GetServiceGraphOutput{StartTime: in.StartTime, EndTime: in.EndTime, Services: services(nodes)}, nil
}

// Periods of a time series. Source: GetTimeSeriesServiceStatistics.
const (
	shortPeriod = time.Minute
	longPeriod  = 5 * time.Minute
)

func (a *API) getTimeSeriesServiceStatistics(
	ctx context.Context, in *xray.GetTimeSeriesServiceStatisticsInput,
) (*xray.GetTimeSeriesServiceStatisticsOutput, error) {
	if err := checkGroup(in.GroupName, in.GroupARN); err != nil {
		return nil, err
	}
	period := shortPeriod
	if in.Period != nil {
		period = time.Duration(*in.Period) * time.Second
	}
	if period != shortPeriod && period != longPeriod {
		return nil, invalid(wick.Errorf(wick.InvalidParameter, "Period must be 60 or 300 seconds."))
	}
	call := protocol.From(ctx)
	series, err := a.o.Traces.Series(ctx, call.Account, call.Region, aws.ToTime(in.StartTime), aws.ToTime(in.EndTime), period, aws.ToString(in.EntitySelectorExpression))
	if err != nil {
		return nil, invalid(err)
	}
	out := &xray.GetTimeSeriesServiceStatisticsOutput{TimeSeriesServiceStatistics: []types.TimeSeriesServiceStatistics{}}
	for i := range series {
		counts := count(&series[i].Statistics)
		out.TimeSeriesServiceStatistics = append(out.TimeSeriesServiceStatistics, types.TimeSeriesServiceStatistics{
			Timestamp: &series[i].Start, ServiceSummaryStatistics: &counts, ResponseTimeHistogram: histogram(&series[i].Statistics),
		})
	}
	return out, nil
}

func (a *API) getTraceGraph(ctx context.Context, in *xray.GetTraceGraphInput) (*xray.GetTraceGraphOutput, error) {
	found, _, err := a.get(ctx, in.TraceIds, in.NextToken, maxGraphedIDs)
	if err != nil {
		return nil, err
	}
	return &xray.GetTraceGraphOutput{Services: services(traces.GraphOf(found))}, nil
}

// optional returns nil for what isn't set.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
