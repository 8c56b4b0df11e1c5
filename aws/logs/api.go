package logs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/logs"
)

// Filters applies groups' filters; package logs/deliver has it.
type Filters interface {
	// Changed takes up the filters that a group has now.
	Changed(ctx context.Context, id wick.LogGroupID) error
}

// Options configure the API. Logs and Groups are needed.
type Options struct {
	Logs   *logs.Logs
	Groups wick.LogGroupStore
	Now    func() time.Time // nil for the system's clock

	// Rates are how fast requests may come; nil is without limits.
	Rates Rates
	// Filters is told when a group's filters change; nil: they are kept and not applied.
	Filters Filters
	// FindFunction fails unless there is the function that a subscription shall deliver
	// to; nil takes every one.
	FindFunction func(ctx context.Context, function wick.FunctionID, qualifier string) error

	// Embedded is given each record that is put and may be in the embedded metric format;
	// it must not wait. nil: nobody looks for metrics in them.
	Embedded func(at time.Time, account, region, message string)

	// TailEvery is the time between two updates of a live tail session, TailFor how long
	// one lasts; 0 means AWS's, a second and three hours.
	TailEvery, TailFor time.Duration
}

// API serves CloudWatch Logs' operations.
type API struct {
	o       Options
	service *protocol.Service
	queries *queries
	// sessions are the live tails under way.
	sessions sessions
	limiter  limiter
}

// New returns the API with every operation it has registered.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TailEvery <= 0 {
		o.TailEvery = tailEvery
	}
	if o.TailFor <= 0 {
		o.TailFor = tailFor
	}
	a := &API{o: o, service: protocol.NewService(models.Logs()), queries: newQueries(), limiter: limiter{rates: o.Rates}}
	handle(a, "DescribeLogGroups", a.describeLogGroups)
	handle(a, "ListLogGroups", a.listLogGroups)
	handle(a, "CreateLogGroup", a.createLogGroup)
	handle(a, "DeleteLogGroup", a.deleteLogGroup)
	handle(a, "PutRetentionPolicy", a.putRetentionPolicy)
	handle(a, "DeleteRetentionPolicy", a.deleteRetentionPolicy)
	handle(a, "PutLogGroupDeletionProtection", a.putLogGroupDeletionProtection)
	handle(a, "DescribeLogStreams", a.describeLogStreams)
	handle(a, "CreateLogStream", a.createLogStream)
	handle(a, "DeleteLogStream", a.deleteLogStream)
	handle(a, "PutLogEvents", a.putLogEvents)
	handle(a, "GetLogEvents", a.getLogEvents)
	handle(a, "FilterLogEvents", a.filterLogEvents)
	protocol.HandleEvents(a.service, "StartLiveTail", a.startLiveTail)
	handle(a, "TagLogGroup", a.tagLogGroup)
	handle(a, "UntagLogGroup", a.untagLogGroup)
	handle(a, "ListTagsLogGroup", a.listTagsLogGroup)
	handle(a, "TagResource", a.tagResource)
	handle(a, "UntagResource", a.untagResource)
	handle(a, "ListTagsForResource", a.listTagsForResource)
	handle(a, "PutMetricFilter", a.putMetricFilter)
	handle(a, "DescribeMetricFilters", a.describeMetricFilters)
	handle(a, "DeleteMetricFilter", a.deleteMetricFilter)
	handle(a, "TestMetricFilter", a.testMetricFilter)
	handle(a, "PutSubscriptionFilter", a.putSubscriptionFilter)
	handle(a, "DescribeSubscriptionFilters", a.describeSubscriptionFilters)
	handle(a, "DeleteSubscriptionFilter", a.deleteSubscriptionFilter)
	handle(a, "StartQuery", a.startQuery)
	handle(a, "StopQuery", a.stopQuery)
	handle(a, "GetQueryResults", a.getQueryResults)
	handle(a, "DescribeQueries", a.describeQueries)
	return a
}

// Service returns the API for a protocol server.
func (a *API) Service() *protocol.Service { return a.service }

// Close ends the queries that are running. It can be called twice.
func (a *API) Close() error { return a.queries.close() }

func invalid(format string, args ...any) error {
	return wick.Errorf(wick.InvalidParameter, format, args...)
}

// validation is an error whose code really is ValidationException: constraints of the
// model have InvalidParameterException here.
func validation(message string) error { return &types.ValidationException{Message: &message} }

// groupID names a group of the caller's account and region.
func groupID(ctx context.Context, name string) wick.LogGroupID {
	call := protocol.From(ctx)
	return wick.LogGroupID{Account: call.Account, Region: call.Region, Name: name}
}

// groupOf finds the group that a request names by its name or by an identifier, which
// is a name or an ARN.
func groupOf(ctx context.Context, name, identifier *string) (wick.LogGroupID, error) {
	switch {
	case name != nil && identifier != nil:
		// Recorded: test_describe_log_streams_with_log_group_identifier.
		return wick.LogGroupID{}, validation("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case name != nil:
		return groupID(ctx, *name), nil
	case identifier == nil:
		return wick.LogGroupID{}, invalid("LogGroup name or LogGroup ARN is required.")
	}
	if !strings.HasPrefix(*identifier, "arn:") {
		return groupID(ctx, *identifier), nil
	}
	return groupOfARN(ctx, *identifier)
}

// groupOfARN reads arn:aws:logs:REGION:ACCOUNT:log-group:NAME, with or without :* at its
// end. Other regions and accounts are out of a caller's reach.
func groupOfARN(ctx context.Context, arn string) (wick.LogGroupID, error) {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) != 7 || parts[0] != "arn" || parts[2] != "logs" || parts[5] != "log-group" || parts[6] == "" {
		return wick.LogGroupID{}, invalid("The specified ARN is invalid.")
	}
	id := wick.LogGroupID{Account: parts[4], Region: parts[3], Name: strings.TrimSuffix(parts[6], ":*")}
	if own := groupID(ctx, id.Name); id != own {
		return wick.LogGroupID{}, wick.Errorf(wick.NotFound, "The specified log group does not exist.")
	}
	return id, nil
}

func groupARN(id wick.LogGroupID) string {
	return "arn:aws:logs:" + id.Region + ":" + id.Account + ":log-group:" + id.Name
}

// settle brings what instances have written so far into the store, where groups and
// streams are looked up.
func (a *API) settle(ctx context.Context) error { return a.o.Logs.Flush(ctx) }

// group returns a group; one whose first lines are on their way to the store too.
func (a *API) group(ctx context.Context, id wick.LogGroupID) (*wick.LogGroup, error) {
	g, err := a.o.Groups.LogGroup(ctx, id)
	if wick.KindOf(err) == wick.NotFound {
		if err := a.settle(ctx); err != nil {
			return nil, err
		}
		g, err = a.o.Groups.LogGroup(ctx, id)
	}
	return g, err
}

// stream returns a stream, likewise.
func (a *API) stream(ctx context.Context, id wick.LogGroupID, name string) (*wick.LogStream, error) {
	st, err := a.o.Groups.LogStream(ctx, id, name)
	if wick.KindOf(err) == wick.NotFound {
		if err := a.settle(ctx); err != nil {
			return nil, err
		}
		st, err = a.o.Groups.LogStream(ctx, id, name)
	}
	return st, err
}

// token makes a page's token of what the next page needs.
func token(v any) *string {
	b, _ := json.Marshal(v) // of structs of ours
	return aws.String(base64.RawURLEncoding.EncodeToString(b))
}

// readToken undoes token; nil leaves v as it is.
func readToken(text *string, v any) error {
	if text == nil {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*text)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return errToken
	}
	return nil
}

// errToken is recorded: test_get_log_events_invalid_token, test_filter_log_events_unknown_token.
var errToken = wick.Errorf(wick.InvalidParameter, "The specified nextToken is invalid.")

// limitOf returns a request's limit or the operation's default.
func limitOf(n *int32, most int) int {
	if n == nil {
		return most
	}
	return int(*n)
}

// millis returns a time as the API has it; nil for none.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return aws.Int64(t.UnixMilli())
}

// given returns nil for an empty string.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
