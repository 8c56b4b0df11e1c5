package logs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
)

// Limits of PutLogEvents. Source: its reference.
const (
	maxBatchBytes = 1 << 20
	eventOverhead = 26
	maxAge        = 14 * 24 * time.Hour
	maxAhead      = 2 * time.Hour
	maxSpan       = 24 * time.Hour
)

func (a *API) putLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	id, stream := groupID(ctx, *in.LogGroupName), *in.LogStreamName
	bytes := 0
	for i := range in.LogEvents {
		bytes += len(*in.LogEvents[i].Message) + eventOverhead
		if i > 0 && *in.LogEvents[i].Timestamp < *in.LogEvents[i-1].Timestamp {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if bytes > maxBatchBytes {
		return nil, invalid("Upload too large: %d bytes exceeds limit of %d", bytes, maxBatchBytes)
	}
	g, err := a.group(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := a.stream(ctx, id, stream); err != nil {
		return nil, err
	}
	now := a.o.Now()
	from, to, rejected := accepted(in.LogEvents, now, g.RetentionDays)
	records := make([]logs.NewRecord, 0, to-from)
	for _, e := range in.LogEvents[from:to] {
		records = append(records, logs.NewRecord{At: time.UnixMilli(*e.Timestamp), Message: *e.Message})
	}
	if n := len(records); n > 0 {
		if records[n-1].At.Sub(records[0].At) > maxSpan {
			return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
		}
		if err := a.o.Logs.Put(ctx, id, stream, records); err != nil {
			return nil, err
		}
		if a.o.Embedded != nil {
			for i := range records {
				a.o.Embedded(records[i].At, id.Account, id.Region, records[i].Message)
			}
		}
	}
	out := &cloudwatchlogs.PutLogEventsOutput{
		NextSequenceToken: aws.String(logs.Digits(now.UnixMilli(), 0, stream)), RejectedLogEventsInfo: rejected,
	}
	if in.Entity != nil { // events are kept without one, which is AWS's way to say so
		out.RejectedEntityInfo = &types.RejectedEntityInfo{ErrorType: types.EntityRejectionErrorTypeUnsupportedLogGroupType}
	}
	return out, nil
}

// accepted returns which events, in order of time, are neither too old nor too new, and
// what is to be said of the others; nil when there are none.
func accepted(events []types.InputLogEvent, now time.Time, retentionDays int) (from, to int, rejected *types.RejectedLogEventsInfo) {
	oldest, newest := now.Add(-maxAge).UnixMilli(), now.Add(maxAhead).UnixMilli()
	tooOld, expired := 0, 0
	to = len(events)
	for i := range events {
		at := *events[i].Timestamp
		if at < oldest {
			tooOld = i + 1
		}
		if retentionDays > 0 && at < now.AddDate(0, 0, -retentionDays).UnixMilli() {
			expired = i + 1
		}
		if at > newest {
			to = i
			break
		}
	}
	from = min(max(tooOld, expired), to)
	if from == 0 && to == len(events) {
		return from, to, nil
	}
	rejected = &types.RejectedLogEventsInfo{}
	if tooOld > 0 {
		rejected.TooOldLogEventEndIndex = aws.Int32(int32(tooOld))
	}
	if expired > tooOld {
		rejected.ExpiredLogEventEndIndex = aws.Int32(int32(expired))
	}
	if to < len(events) {
		rejected.TooNewLogEventStartIndex = aws.Int32(int32(to))
	}
	return from, to, rejected
}

// Bounds of an answer with events. Source: GetLogEvents, FilterLogEvents.
const (
	maxEvents     = 10_000
	maxEventBytes = 1 << 20
)

// getToken is where GetLogEvents goes on: behind a record of the stream, or before one.
type getToken struct {
	forward     bool
	millis, seq int64
}

// String renders a token in AWS's form, f/DIGITS/s.
func (t getToken) String() string {
	direction := "b"
	if t.forward {
		direction = "f"
	}
	return fmt.Sprintf("%s/%036d%020d/s", direction, max(t.millis, 0), max(t.seq, 0))
}

func readGetToken(text string) (getToken, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] != "f" && parts[0] != "b" || len(parts[1]) != 56 || parts[2] != "s" {
		return getToken{}, errToken
	}
	millis, err1 := strconv.ParseInt(parts[1][:36], 10, 64)
	seq, err2 := strconv.ParseInt(parts[1][36:], 10, 64)
	if err1 != nil || err2 != nil || millis < 0 || seq < 0 {
		return getToken{}, errToken
	}
	return getToken{parts[0] == "f", millis, seq}, nil
}

func (a *API) getLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	id, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if _, err := a.group(ctx, id); err != nil {
		return nil, err
	}
	stream := *in.LogStreamName
	if _, err := a.stream(ctx, id, stream); err != nil {
		return nil, err
	}
	q := logs.Query{Group: id, Streams: []string{stream}}
	q.From, q.To = span(in.StartTime, in.EndTime)
	at := getToken{forward: aws.ToBool(in.StartFromHead), millis: aws.ToInt64(in.StartTime)}
	if in.NextToken != nil {
		if at, err = readGetToken(*in.NextToken); err != nil {
			return nil, err
		}
		position := &logs.Position{Millis: at.millis, Stream: stream, Seq: at.seq}
		if at.forward {
			q.After, q.From = position, later(q.From, time.UnixMilli(at.millis))
		} else {
			q.Before, q.To = position, earlier(q.To, time.UnixMilli(at.millis+1))
		}
	}
	limit := limitOf(in.Limit, maxEvents)
	var events []wick.LogEvent
	if at.forward {
		events, err = a.firstEvents(ctx, q, limit)
	} else {
		q.Limit, q.LimitBytes = limit, maxEventBytes
		events, err = a.o.Logs.Read(ctx, q)
		events = lastBytes(events)
	}
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.GetLogEventsOutput{Events: make([]types.OutputLogEvent, len(events))}
	for i := range events {
		e := &events[i]
		out.Events[i] = types.OutputLogEvent{Timestamp: millis(e.Timestamp), IngestionTime: millis(e.Ingested), Message: &e.Message}
	}
	// At an end the token that led there leads there again, and so does its opposite to
	// all that lies on the other side.
	forward, backward := getToken{true, at.millis, at.seq}, getToken{false, at.millis, at.seq}
	switch n := len(events); {
	case n > 0:
		forward.millis, forward.seq = events[n-1].Timestamp.UnixMilli(), events[n-1].Seq
		backward.millis, backward.seq = events[0].Timestamp.UnixMilli(), events[0].Seq
	case at.forward:
		backward.seq++
	default:
		forward.seq = max(0, forward.seq-1)
	}
	out.NextForwardToken, out.NextBackwardToken = aws.String(forward.String()), aws.String(backward.String())
	return out, nil
}

// span turns a request's milliseconds into [from, to).
func span(start, end *int64) (from, to time.Time) {
	if start != nil {
		from = time.UnixMilli(*start)
	}
	if end != nil {
		to = time.UnixMilli(*end)
	}
	return from, to
}

// later and earlier narrow a span, of which zero is an open end.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

var errEnough = errors.New("enough")

// firstEvents returns the first events of a query, up to limit and an answer's size.
func (a *API) firstEvents(ctx context.Context, q logs.Query, limit int) ([]wick.LogEvent, error) {
	var events []wick.LogEvent
	bytes := 0
	err := a.o.Logs.Scan(ctx, q, func(some []wick.LogEvent) error {
		for i := range some {
			bytes += len(some[i].Message) + eventOverhead
			if len(events) == limit || bytes > maxEventBytes && len(events) > 0 {
				return errEnough
			}
			events = append(events, some[i])
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return events, err
}

// lastBytes cuts events off the front until the rest fits an answer.
func lastBytes(events []wick.LogEvent) []wick.LogEvent {
	bytes := 0
	for i := len(events) - 1; i >= 0; i-- {
		bytes += len(events[i].Message) + eventOverhead
		if bytes > maxEventBytes && i < len(events)-1 {
			return events[i+1:]
		}
	}
	return events
}
