package logs

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
)

// maxTags is how many tags a resource may have. Source: CloudWatch Logs, TagResource.
const maxTags = 50

func (a *API) tagLogGroup(ctx context.Context, in *cloudwatchlogs.TagLogGroupInput) (*cloudwatchlogs.TagLogGroupOutput, error) {
	return nil, a.tag(ctx, groupID(ctx, *in.LogGroupName), in.Tags)
}

func (a *API) untagLogGroup(ctx context.Context, in *cloudwatchlogs.UntagLogGroupInput) (*cloudwatchlogs.UntagLogGroupOutput, error) {
	return nil, a.untag(ctx, groupID(ctx, *in.LogGroupName), in.Tags)
}

func (a *API) listTagsLogGroup(ctx context.Context, in *cloudwatchlogs.ListTagsLogGroupInput) (*cloudwatchlogs.ListTagsLogGroupOutput, error) {
	tags, err := a.tags(ctx, groupID(ctx, *in.LogGroupName))
	return &cloudwatchlogs.ListTagsLogGroupOutput{Tags: tags}, err
}

func (a *API) tagResource(ctx context.Context, in *cloudwatchlogs.TagResourceInput) (*cloudwatchlogs.TagResourceOutput, error) {
	id, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.tag(ctx, id, in.Tags)
}

func (a *API) untagResource(ctx context.Context, in *cloudwatchlogs.UntagResourceInput) (*cloudwatchlogs.UntagResourceOutput, error) {
	id, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.untag(ctx, id, in.TagKeys)
}

func (a *API) listTagsForResource(ctx context.Context, in *cloudwatchlogs.ListTagsForResourceInput) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	id, err := groupOfARN(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := a.tags(ctx, id)
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: tags}, err
}

func (a *API) tag(ctx context.Context, id wick.LogGroupID, tags map[string]string) error {
	return a.change(ctx, id, func(g *wick.LogGroup) error {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, tags)
		if len(g.Tags) > maxTags {
			message := "The resource has too many tags."
			arn := groupARN(id)
			return &types.TooManyTagsException{Message: &message, ResourceName: &arn}
		}
		return nil
	})
}

func (a *API) untag(ctx context.Context, id wick.LogGroupID, keys []string) error {
	return a.change(ctx, id, func(g *wick.LogGroup) error {
		for _, k := range keys {
			delete(g.Tags, k)
		}
		return nil
	})
}

func (a *API) tags(ctx context.Context, id wick.LogGroupID) (map[string]string, error) {
	g, err := a.group(ctx, id)
	if err != nil {
		return nil, err
	}
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
	return g.Tags, nil
}
