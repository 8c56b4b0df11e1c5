package logs

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
)

// nameToken is the token of lists in order of names.
type nameToken struct {
	After string `json:"after"`
}

const maxDescribed = 50

func (a *API) describeLogGroups(ctx context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	prefix, pattern := aws.ToString(in.LogGroupNamePrefix), aws.ToString(in.LogGroupNamePattern)
	if prefix != "" && pattern != "" {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	var at nameToken
	if err := readToken(in.NextToken, &at); err != nil {
		return nil, err
	}
	limit := limitOf(in.Limit, maxDescribed)
	groups, more, err := a.groups(ctx, wick.LogGroupQuery{Prefix: prefix, Contains: pattern, After: at.After, Limit: limit}, func(g *wick.LogGroup) bool {
		return (in.LogGroupClass == "" || string(in.LogGroupClass) == g.Class) && (len(in.LogGroupIdentifiers) == 0 || names(in.LogGroupIdentifiers, g))
	})
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: make([]types.LogGroup, len(groups))}
	for i := range groups {
		out.LogGroups[i] = describeGroup(&groups[i])
		if pattern != "" {
			// A search by pattern answers less, and always has another page, which may be
			// empty. Recorded: test_describe_log_groups_with_pattern.
			out.LogGroups[i].StoredBytes, out.LogGroups[i].DeletionProtectionEnabled = nil, nil
			more = true
		}
	}
	if more {
		out.NextToken = token(nameToken{groups[len(groups)-1].Name})
	}
	return out, nil
}

// names says whether a group is among names and ARNs.
func names(identifiers []string, g *wick.LogGroup) bool {
	return slices.ContainsFunc(identifiers, func(s string) bool {
		return s == g.Name || strings.TrimSuffix(s, ":*") == groupARN(g.LogGroupID)
	})
}

// groups returns a page of the groups that are wanted, and whether there are more.
func (a *API) groups(ctx context.Context, q wick.LogGroupQuery, wanted func(*wick.LogGroup) bool) (list []wick.LogGroup, more bool, err error) {
	if err := a.settle(ctx); err != nil {
		return nil, false, err
	}
	call := protocol.From(ctx)
	limit := q.Limit
	q.Account, q.Region, q.Limit = call.Account, call.Region, max(limit+1, maxDescribed)
	for {
		page, err := a.o.Groups.LogGroups(ctx, q)
		if err != nil {
			return nil, false, err
		}
		for i := range page {
			if !wanted(&page[i]) {
				continue
			}
			if len(list) == limit {
				return list, true, nil
			}
			list = append(list, page[i])
		}
		if len(page) < q.Limit {
			return list, false, nil
		}
		q.After = page[len(page)-1].Name
	}
}

func describeGroup(g *wick.LogGroup) types.LogGroup {
	arn := groupARN(g.LogGroupID)
	out := types.LogGroup{
		Arn: aws.String(arn + ":*"), LogGroupArn: &arn, LogGroupName: &g.Name, CreationTime: millis(g.Created),
		LogGroupClass: types.LogGroupClass(g.Class), KmsKeyId: given(g.KMSKeyID), StoredBytes: &g.StoredBytes,
		DeletionProtectionEnabled: &g.DeletionProtected, MetricFilterCount: aws.Int32(int32(g.MetricFilters)),
	}
	if g.RetentionDays > 0 {
		out.RetentionInDays = aws.Int32(int32(g.RetentionDays))
	}
	return out
}

func (a *API) listLogGroups(ctx context.Context, in *cloudwatchlogs.ListLogGroupsInput) (*cloudwatchlogs.ListLogGroupsOutput, error) {
	var at nameToken
	if err := readToken(in.NextToken, &at); err != nil {
		return nil, err
	}
	if len(in.DataSources) > 0 || len(in.FieldIndexNames) > 0 || len(in.LogGroupTags) > 0 {
		return nil, wick.Errorf(wick.NotBuilt, "Wick doesn't list log groups by dataSources, fieldIndexNames or logGroupTags yet")
	}
	pattern, err := regexp.Compile(aws.ToString(in.LogGroupNamePattern))
	if err != nil {
		return nil, invalid("The specified logGroupNamePattern is invalid.")
	}
	groups, more, err := a.groups(ctx, wick.LogGroupQuery{After: at.After, Limit: limitOf(in.Limit, maxDescribed)}, func(g *wick.LogGroup) bool {
		return pattern.MatchString(g.Name) && (in.LogGroupClass == "" || string(in.LogGroupClass) == g.Class)
	})
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.ListLogGroupsOutput{LogGroups: make([]types.LogGroupSummary, len(groups))}
	for i := range groups {
		g := &groups[i]
		out.LogGroups[i] = types.LogGroupSummary{LogGroupArn: aws.String(groupARN(g.LogGroupID)), LogGroupName: &g.Name, LogGroupClass: types.LogGroupClass(g.Class)}
	}
	if more {
		out.NextToken = token(nameToken{groups[len(groups)-1].Name})
	}
	return out, nil
}

func (a *API) createLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	id := groupID(ctx, *in.LogGroupName)
	if strings.HasPrefix(strings.ToLower(id.Name), "aws/") {
		return nil, invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	if err := a.settle(ctx); err != nil { // it may be an instance's already
		return nil, err
	}
	class := in.LogGroupClass
	if class == "" {
		class = types.LogGroupClassStandard
	}
	return nil, a.o.Groups.CreateLogGroup(ctx, wick.LogGroup{
		LogGroupID: id, Created: a.o.Now(), Class: string(class), KMSKeyID: aws.ToString(in.KmsKeyId),
		DeletionProtected: aws.ToBool(in.DeletionProtectionEnabled), Tags: in.Tags,
	})
}

func (a *API) deleteLogGroup(ctx context.Context, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
	g, err := a.group(ctx, groupID(ctx, *in.LogGroupName))
	if err != nil {
		return nil, err
	}
	if g.DeletionProtected {
		return nil, validation("The specified log group has deletion protection enabled and can't be deleted.")
	}
	if err := a.o.Logs.DeleteGroup(ctx, g.LogGroupID); err != nil {
		return nil, err
	}
	return nil, a.filtersChanged(ctx, g.LogGroupID)
}

// retentions are the days that may be kept. Source: PutRetentionPolicy.
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (a *API) putRetentionPolicy(ctx context.Context, in *cloudwatchlogs.PutRetentionPolicyInput) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	if !slices.Contains(retentions, *in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s",
			*in.RetentionInDays, strings.ReplaceAll(fmt.Sprint(retentions), " ", ", "))
	}
	return nil, a.change(ctx, groupID(ctx, *in.LogGroupName), func(g *wick.LogGroup) error {
		g.RetentionDays = int(*in.RetentionInDays)
		return nil
	})
}

func (a *API) deleteRetentionPolicy(ctx context.Context, in *cloudwatchlogs.DeleteRetentionPolicyInput) (*cloudwatchlogs.DeleteRetentionPolicyOutput, error) {
	return nil, a.change(ctx, groupID(ctx, *in.LogGroupName), func(g *wick.LogGroup) error {
		g.RetentionDays = 0
		return nil
	})
}

func (a *API) putLogGroupDeletionProtection(
	ctx context.Context, in *cloudwatchlogs.PutLogGroupDeletionProtectionInput,
) (*cloudwatchlogs.PutLogGroupDeletionProtectionOutput, error) {
	id, err := groupOf(ctx, nil, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, id, func(g *wick.LogGroup) error {
		g.DeletionProtected = *in.DeletionProtectionEnabled
		return nil
	})
}

// change changes the settings of a group.
func (a *API) change(ctx context.Context, id wick.LogGroupID, change func(*wick.LogGroup) error) error {
	if _, err := a.group(ctx, id); err != nil {
		return err
	}
	return a.o.Groups.UpdateLogGroup(ctx, id, change)
}
