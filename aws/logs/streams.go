package logs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
)

// streamToken is where a list of streams goes on; Last counts in the order of events.
type streamToken struct {
	After string `json:"after"`
	Last  int64  `json:"last,omitempty"`
}

func (a *API) describeLogStreams(ctx context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	id, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byLast := in.OrderBy == types.OrderByLastEventTime
	if byLast && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	limit := limitOf(in.Limit, maxDescribed)
	q := wick.LogStreamQuery{
		Group: id, Prefix: aws.ToString(in.LogStreamNamePrefix), ByLast: byLast, Descending: aws.ToBool(in.Descending), Limit: limit + 1,
	}
	if in.NextToken != nil {
		var at streamToken
		if err := readToken(in.NextToken, &at); err != nil {
			return nil, err
		}
		q.After = &wick.LogStream{Name: at.After}
		if at.Last > 0 {
			q.After.Last = time.UnixMilli(at.Last)
		}
	}
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	streams, err := a.o.Groups.LogStreams(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.DescribeLogStreamsOutput{}
	if len(streams) > limit {
		streams = streams[:limit]
		last := &streams[limit-1]
		out.NextToken = token(streamToken{last.Name, aws.ToInt64(millis(last.Last))})
	}
	out.LogStreams = make([]types.LogStream, len(streams))
	for i := range streams {
		st := &streams[i]
		out.LogStreams[i] = types.LogStream{
			Arn: aws.String(groupARN(id) + ":log-stream:" + st.Name), LogStreamName: &st.Name, CreationTime: millis(st.Created),
			FirstEventTimestamp: millis(st.First), LastEventTimestamp: millis(st.Last), LastIngestionTime: millis(st.Ingested),
			StoredBytes: aws.Int64(0), //nolint:staticcheck // it is in AWS's answers, as zero
		}
		if !st.Ingested.IsZero() {
			out.LogStreams[i].UploadSequenceToken = aws.String(logs.Digits(st.Ingested.UnixMilli(), 0, st.Name))
		}
	}
	return out, nil
}

func (a *API) createLogStream(ctx context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	id := groupID(ctx, *in.LogGroupName)
	if err := a.settle(ctx); err != nil { // it may be an instance's already
		return nil, err
	}
	return nil, a.o.Groups.CreateLogStream(ctx, id, *in.LogStreamName, a.o.Now())
}

func (a *API) deleteLogStream(ctx context.Context, in *cloudwatchlogs.DeleteLogStreamInput) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	id := groupID(ctx, *in.LogGroupName)
	if _, err := a.stream(ctx, id, *in.LogStreamName); err != nil {
		return nil, err
	}
	return nil, a.o.Logs.DeleteStream(ctx, id, *in.LogStreamName)
}
