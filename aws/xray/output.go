package xray

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"github.com/wick-run/wick/traces"
)

// summariesOutput is the SDK's GetTraceSummariesOutput, but that an annotation's value
// is a structure of which one member is set, as it is on the wire; the SDK's is an
// interface, made for reading.
type summariesOutput struct {
	ApproximateTime      *time.Time
	NextToken            *string
	TraceSummaries       []traceSummary
	TracesProcessedCount *int64
}

type traceSummary struct {
	Annotations            map[string][]annotationValues
	AvailabilityZones      []types.AvailabilityZoneDetail
	Duration               *float64
	EntryPoint             *types.ServiceId
	ErrorRootCauses        []types.ErrorRootCause
	FaultRootCauses        []types.FaultRootCause
	HasError               *bool
	HasFault               *bool
	HasThrottle            *bool
	Http                   *types.Http //nolint:staticcheck // the SDK's name for the member
	Id                     *string     //nolint:staticcheck // the SDK's name for the member
	InstanceIds            []types.InstanceIdDetail
	IsPartial              *bool
	MatchedEventTime       *time.Time
	ResourceARNs           []types.ResourceARNDetail
	ResponseTime           *float64
	ResponseTimeRootCauses []types.ResponseTimeRootCause
	Revision               int32
	ServiceIds             []types.ServiceId
	StartTime              *time.Time
	Users                  []types.TraceUser
}

type annotationValues struct {
	AnnotationValue *annotationValue
	ServiceIds      []types.ServiceId
}

type annotationValue struct {
	BooleanValue *bool
	NumberValue  *float64
	StringValue  *string
}

// summary returns a trace as lists show it.
func summary(s *traces.Summary) traceSummary {
	out := traceSummary{
		Id: &s.ID, StartTime: &s.Start, Duration: aws.Float64(s.Duration.Seconds()), ResponseTime: aws.Float64(s.ResponseTime.Seconds()),
		HasError: &s.HasError, HasFault: &s.HasFault, HasThrottle: &s.HasThrottle, IsPartial: &s.Partial,
		Http: requestOf(s.HTTP), Annotations: make(map[string][]annotationValues, len(s.Annotations)),
		EntryPoint: serviceID(s.EntryPoint), ServiceIds: serviceIDs(s.Services), Revision: int32(s.Revision),
		Users: []types.TraceUser{}, ResourceARNs: []types.ResourceARNDetail{},
	}
	for _, arn := range s.ResourceARNs {
		out.ResourceARNs = append(out.ResourceARNs, types.ResourceARNDetail{ARN: aws.String(arn)})
	}
	for _, name := range s.Users {
		out.Users = append(out.Users, types.TraceUser{UserName: aws.String(name)})
	}
	for key, values := range s.Annotations {
		for _, v := range values {
			out.Annotations[key] = append(out.Annotations[key], annotationValues{
				AnnotationValue: annotation(v.Value), ServiceIds: serviceIDs(v.Services),
			})
		}
	}
	return out
}

func annotation(v any) *annotationValue {
	out := &annotationValue{}
	switch v := v.(type) {
	case float64:
		out.NumberValue = &v
	case bool:
		out.BooleanValue = &v
	case string:
		out.StringValue = &v
	}
	return out
}

func requestOf(h *traces.HTTP) *types.Http {
	out := &types.Http{}
	if h == nil {
		return out
	}
	if r := h.Request; r != nil {
		out.HttpURL, out.HttpMethod = optional(r.URL), optional(r.Method)
		out.UserAgent, out.ClientIp = optional(r.UserAgent), optional(r.ClientIP)
	}
	if r := h.Response; r != nil && r.Status != 0 {
		out.HttpStatus = aws.Int32(int32(r.Status))
	}
	return out
}

func serviceID(s traces.Service) *types.ServiceId {
	return &types.ServiceId{Name: &s.Name, Names: []string{s.Name}, AccountId: optional(s.Account), Type: optional(s.Type)}
}

func serviceIDs(list []traces.Service) []types.ServiceId {
	ids := make([]types.ServiceId, 0, len(list))
	for _, s := range list {
		ids = append(ids, *serviceID(s))
	}
	return ids
}

// services returns the nodes of a graph.
func services(nodes []*traces.Node) []types.Service {
	list := make([]types.Service, 0, len(nodes))
	for _, n := range nodes {
		s := types.Service{
			ReferenceId: aws.Int32(int32(n.Reference)), Name: &n.Name, Names: []string{n.Name}, Type: optional(n.Type),
			AccountId: optional(n.Account), StartTime: &n.Start, EndTime: &n.End, Edges: []types.Edge{},
			State: aws.String("active"), DurationHistogram: histogram(&n.Statistics), ResponseTimeHistogram: histogram(&n.Statistics),
		}
		if n.Root {
			s.Root = aws.Bool(true)
		}
		counts := count(&n.Statistics)
		s.SummaryStatistics = &counts
		for _, e := range n.Edges {
			counts := types.EdgeStatistics(count(&e.Statistics))
			s.Edges = append(s.Edges, types.Edge{
				ReferenceId: aws.Int32(int32(e.To.Reference)), StartTime: &e.Start, EndTime: &e.End, Aliases: []types.Alias{},
				SummaryStatistics: &counts, ResponseTimeHistogram: histogram(&e.Statistics),
			})
		}
		list = append(list, s)
	}
	return list
}

func count(s *traces.Statistics) types.ServiceStatistics {
	n := func(v int) *int64 { return aws.Int64(int64(v)) }
	return types.ServiceStatistics{
		OkCount: n(s.OK), TotalCount: n(s.Total), TotalResponseTime: aws.Float64(s.ResponseTime.Seconds()),
		ErrorStatistics: &types.ErrorStatistics{ThrottleCount: n(s.Throttles), OtherCount: n(s.Errors - s.Throttles), TotalCount: n(s.Errors)},
		FaultStatistics: &types.FaultStatistics{OtherCount: n(s.Faults), TotalCount: n(s.Faults)},
	}
}

func histogram(s *traces.Statistics) []types.HistogramEntry {
	entries := make([]types.HistogramEntry, 0, len(s.Histogram))
	for _, d := range s.Times() {
		entries = append(entries, types.HistogramEntry{Value: d.Seconds(), Count: int32(s.Histogram[d])})
	}
	return entries
}
