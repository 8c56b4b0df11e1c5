package logs

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/logs/filter"
)

// maxMetricFilters is how many a group may have. Source: CloudWatch Logs quotas.
const maxMetricFilters = 100

func (a *API) putMetricFilter(ctx context.Context, in *cloudwatchlogs.PutMetricFilterInput) (*cloudwatchlogs.PutMetricFilterOutput, error) {
	if _, err := filter.Parse(*in.FilterPattern); err != nil {
		return nil, invalid("%v", err)
	}
	if in.ApplyOnTransformedLogs || len(in.EmitSystemFieldDimensions) > 0 || aws.ToString(in.FieldSelectionCriteria) != "" {
		return nil, wick.Errorf(wick.NotBuilt, "Wick's metric filters don't have applyOnTransformedLogs, emitSystemFieldDimensions or fieldSelectionCriteria yet")
	}
	t := &in.MetricTransformations[0] // the model allows exactly one
	if t.DefaultValue != nil && len(t.Dimensions) > 0 {
		return nil, invalid("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
	}
	id := groupID(ctx, *in.LogGroupName)
	if _, err := a.group(ctx, id); err != nil {
		return nil, err
	}
	return nil, a.o.Groups.PutLogFilter(ctx, wick.LogFilter{
		Group: id, Kind: wick.MetricFilter, Name: *in.FilterName, Pattern: *in.FilterPattern, Created: a.o.Now(),
		MetricName: *t.MetricName, MetricNamespace: *t.MetricNamespace, MetricValue: *t.MetricValue,
		Unit: string(t.Unit), DefaultValue: t.DefaultValue, Dimensions: t.Dimensions,
	}, maxMetricFilters)
}

func (a *API) describeMetricFilters(ctx context.Context, in *cloudwatchlogs.DescribeMetricFiltersInput) (*cloudwatchlogs.DescribeMetricFiltersOutput, error) {
	if (in.MetricName == nil) != (in.MetricNamespace == nil) {
		return nil, invalid("Both metricName and metricNamespace must be given, or neither.")
	}
	list, next, err := a.filters(ctx, wick.MetricFilter, in.LogGroupName, in.FilterNamePrefix, in.NextToken, in.Limit, func(f *wick.LogFilter) bool {
		return in.MetricName == nil || f.MetricName == *in.MetricName && f.MetricNamespace == *in.MetricNamespace
	})
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeMetricFiltersOutput{MetricFilters: make([]types.MetricFilter, len(list)), NextToken: next}
	for i := range list {
		f := &list[i]
		out.MetricFilters[i] = types.MetricFilter{
			CreationTime: millis(f.Created), FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: &f.Group.Name,
			MetricTransformations: []types.MetricTransformation{{
				MetricName: &f.MetricName, MetricNamespace: &f.MetricNamespace, MetricValue: &f.MetricValue,
				Unit: types.StandardUnit(f.Unit), DefaultValue: f.DefaultValue, Dimensions: f.Dimensions,
			}},
		}
	}
	return out, nil
}

// filterToken is where a list of filters goes on.
type filterToken struct {
	Skip int `json:"skip"`
}

// filters returns a page of filters: of one group, or of all without a name.
func (a *API) filters(
	ctx context.Context, kind wick.LogFilterKind, group, prefix, next *string, limit *int32, wanted func(*wick.LogFilter) bool,
) (list []wick.LogFilter, more *string, err error) {
	var at filterToken
	if err := readToken(next, &at); err != nil {
		return nil, nil, err
	}
	id := groupID(ctx, aws.ToString(group))
	if group != nil {
		if _, err := a.group(ctx, id); err != nil {
			return nil, nil, err
		}
	}
	all, err := a.o.Groups.LogFilters(ctx, wick.LogFilterQuery{Group: id, Kind: kind, Prefix: aws.ToString(prefix)})
	if err != nil {
		return nil, nil, err
	}
	skip, n := max(at.Skip, 0), limitOf(limit, maxDescribed)
	seen := 0
	for i := range all {
		if !wanted(&all[i]) {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(list) == n {
			return list, token(filterToken{skip + n}), nil
		}
		list = append(list, all[i])
	}
	return list, nil, nil
}

func (a *API) deleteMetricFilter(ctx context.Context, in *cloudwatchlogs.DeleteMetricFilterInput) (*cloudwatchlogs.DeleteMetricFilterOutput, error) {
	return nil, a.o.Groups.DeleteLogFilter(ctx, groupID(ctx, *in.LogGroupName), wick.MetricFilter, *in.FilterName)
}

func (a *API) testMetricFilter(_ context.Context, in *cloudwatchlogs.TestMetricFilterInput) (*cloudwatchlogs.TestMetricFilterOutput, error) {
	pattern, err := filter.Parse(*in.FilterPattern)
	if err != nil {
		return nil, invalid("%v", err)
	}
	out := &cloudwatchlogs.TestMetricFilterOutput{Matches: []types.MetricFilterMatchRecord{}}
	for i := range in.LogEventMessages {
		if values, ok := pattern.Extract(in.LogEventMessages[i]); ok {
			out.Matches = append(out.Matches, types.MetricFilterMatchRecord{
				EventMessage: &in.LogEventMessages[i], EventNumber: int64(i + 1), ExtractedValues: values,
			})
		}
	}
	return out, nil
}

// putSubscriptionFilter refuses what AWS refuses; what AWS takes isn't built yet.
func (a *API) putSubscriptionFilter(ctx context.Context, in *cloudwatchlogs.PutSubscriptionFilterInput) (*cloudwatchlogs.PutSubscriptionFilterOutput, error) {
	if _, err := filter.Parse(*in.FilterPattern); err != nil {
		return nil, invalid("%v", err)
	}
	arn := strings.SplitN(*in.DestinationArn, ":", 7)
	if len(arn) < 6 || arn[0] != "arn" {
		return nil, invalid("destinationArn is not a valid ARN.")
	}
	call := protocol.From(ctx)
	switch vendor := arn[2]; {
	case vendor == "lambda" && arn[4] != call.Account:
		// Recorded: test_put_subscription_filter_errors.
		return nil, wick.Errorf(wick.AccessDenied, "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross account lambda triggers.")
	case vendor != "lambda" && in.RoleArn == nil:
		// Recorded there too.
		return nil, invalid("destinationArn for vendor %s cannot be used without roleArn", vendor)
	}
	if _, err := a.group(ctx, groupID(ctx, *in.LogGroupName)); err != nil {
		return nil, err
	}
	return nil, wick.Errorf(wick.NotBuilt, "Wick doesn't deliver log events to subscriptions yet")
}

func (a *API) describeSubscriptionFilters(
	ctx context.Context, in *cloudwatchlogs.DescribeSubscriptionFiltersInput,
) (*cloudwatchlogs.DescribeSubscriptionFiltersOutput, error) {
	list, next, err := a.filters(ctx, wick.SubscriptionFilter, in.LogGroupName, in.FilterNamePrefix, in.NextToken, in.Limit, func(*wick.LogFilter) bool { return true })
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeSubscriptionFiltersOutput{SubscriptionFilters: make([]types.SubscriptionFilter, len(list)), NextToken: next}
	for i := range list {
		f := &list[i]
		out.SubscriptionFilters[i] = types.SubscriptionFilter{
			CreationTime: millis(f.Created), DestinationArn: &f.DestinationARN, Distribution: types.Distribution(f.Distribution),
			FilterName: &f.Name, FilterPattern: &f.Pattern, LogGroupName: &f.Group.Name, RoleArn: given(f.RoleARN),
		}
	}
	return out, nil
}

func (a *API) deleteSubscriptionFilter(
	ctx context.Context, in *cloudwatchlogs.DeleteSubscriptionFilterInput,
) (*cloudwatchlogs.DeleteSubscriptionFilterOutput, error) {
	return nil, a.o.Groups.DeleteLogFilter(ctx, groupID(ctx, *in.LogGroupName), wick.SubscriptionFilter, *in.FilterName)
}
