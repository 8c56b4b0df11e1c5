package logs

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/logs/deliver"
	"github.com/wick-run/wick/logs/filter"
)

// maxSubscriptionFilters is how many a group may have. Source: CloudWatch Logs quotas.
const maxSubscriptionFilters = 2

func (a *API) putSubscriptionFilter(ctx context.Context, in *cloudwatchlogs.PutSubscriptionFilterInput) (*cloudwatchlogs.PutSubscriptionFilterOutput, error) {
	if _, err := filter.Parse(*in.FilterPattern); err != nil {
		return nil, invalid("%v", err)
	}
	if in.ApplyOnTransformedLogs {
		return nil, errTransformed
	}
	if err := checkSystemFields("emitSystemFields", in.EmitSystemFields, filter.SystemFields, in.FieldSelectionCriteria); err != nil {
		return nil, err
	}
	if err := checkDestination(ctx, in); err != nil {
		return nil, err
	}
	id := groupID(ctx, *in.LogGroupName)
	if _, err := a.group(ctx, id); err != nil {
		return nil, err
	}
	function, qualifier, ok := deliver.ParseDestination(*in.DestinationArn)
	if !ok {
		return nil, wick.Errorf(wick.NotBuilt, "Wick delivers log events to Lambda functions only, not to %s", *in.DestinationArn)
	}
	if a.o.FindFunction != nil {
		if err := a.o.FindFunction(ctx, function, qualifier); err != nil {
			return nil, invalid("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
		}
	}
	distribution := in.Distribution
	if distribution == "" {
		distribution = types.DistributionByLogStream
	}
	return nil, a.putFilter(ctx, &wick.LogFilter{
		Group: id, Kind: wick.SubscriptionFilter, Name: *in.FilterName, Pattern: *in.FilterPattern, Created: a.o.Now(),
		DestinationARN: *in.DestinationArn, RoleARN: aws.ToString(in.RoleArn), Distribution: string(distribution),
		SystemFields: in.EmitSystemFields, Selection: aws.ToString(in.FieldSelectionCriteria),
	}, maxSubscriptionFilters)
}

// checkDestination refuses what AWS refuses of a destination's ARN alone.
func checkDestination(ctx context.Context, in *cloudwatchlogs.PutSubscriptionFilterInput) error {
	arn := strings.SplitN(*in.DestinationArn, ":", 7)
	if len(arn) < 6 || arn[0] != "arn" {
		return invalid("destinationArn is not a valid ARN.")
	}
	call := protocol.From(ctx)
	switch vendor := arn[2]; {
	case vendor == "lambda" && arn[4] != call.Account:
		// Recorded: test_put_subscription_filter_errors.
		return wick.Errorf(wick.AccessDenied, "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross account lambda triggers.")
	case vendor != "lambda" && in.RoleArn == nil:
		// Recorded there too.
		return invalid("destinationArn for vendor %s cannot be used without roleArn", vendor)
	}
	return nil
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
			EmitSystemFields: f.SystemFields, FieldSelectionCriteria: given(f.Selection),
		}
	}
	return out, nil
}

func (a *API) deleteSubscriptionFilter(
	ctx context.Context, in *cloudwatchlogs.DeleteSubscriptionFilterInput,
) (*cloudwatchlogs.DeleteSubscriptionFilterOutput, error) {
	return nil, a.deleteFilter(ctx, *in.LogGroupName, wick.SubscriptionFilter, *in.FilterName)
}
