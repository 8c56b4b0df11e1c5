package logs

import (
	"context"
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/filter"
)

// searchToken is where FilterLogEvents goes on: behind the record it looked at last, or
// before it when it goes backward.
type searchToken struct {
	Millis   int64  `json:"m"`
	Stream   string `json:"s"`
	Seq      int64  `json:"n"`
	Backward bool   `json:"b,omitempty"`
}

// searchTime is how long one request searches before it answers with what it has and a
// token.
const searchTime = 10 * time.Second

func (a *API) filterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	id, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	pattern, err := filter.Parse(aws.ToString(in.FilterPattern))
	if err != nil {
		return nil, invalid("%v", err)
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	}
	s := &search{pattern: pattern, limit: limitOf(in.Limit, maxEvents), ends: time.Now().Add(searchTime)}
	q := logs.Query{Group: id}
	q.From, q.To = span(in.StartTime, in.EndTime)
	backward := in.StartFromHead != nil && !*in.StartFromHead
	if in.NextToken != nil {
		var at searchToken
		if err := readToken(in.NextToken, &at); err != nil {
			return nil, err
		}
		position := &logs.Position{Millis: at.Millis, Stream: at.Stream, Seq: at.Seq}
		if backward = at.Backward; backward {
			q.Before, q.To = position, earlier(q.To, time.UnixMilli(at.Millis+1))
		} else {
			q.After, q.From = position, later(q.From, time.UnixMilli(at.Millis))
		}
	}
	if _, err := a.group(ctx, id); err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: []types.FilteredLogEvent{}, SearchedLogStreams: []types.SearchedLogStream{}}
	if q.Streams, err = a.searched(ctx, id, in); err != nil {
		return nil, err
	}
	if in.LogStreamNamePrefix != nil && len(q.Streams) == 0 {
		return out, nil
	}
	var more bool
	if backward {
		more, err = s.back(ctx, a.o.Logs, q)
	} else {
		if q.After != nil {
			s.at = *q.After
		}
		q.Filter, q.Progress = pattern, s.progress
		err = a.o.Logs.Scan(ctx, q, s.see)
		more = errors.Is(err, errEnough)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if more {
		out.NextToken = token(searchToken{s.at.Millis, s.at.Stream, s.at.Seq, backward})
	}
	for i := range s.found {
		e := &s.found[i]
		out.Events = append(out.Events, types.FilteredLogEvent{
			EventId: aws.String(logs.EventID(e)), LogStreamName: &e.Stream,
			Timestamp: millis(e.Timestamp), IngestionTime: millis(e.Ingested), Message: &e.Message,
		})
	}
	return out, nil
}

// searched returns the streams that a request searches; none for all.
func (a *API) searched(ctx context.Context, id wick.LogGroupID, in *cloudwatchlogs.FilterLogEventsInput) ([]string, error) {
	for _, name := range in.LogStreamNames {
		if _, err := a.stream(ctx, id, name); err != nil {
			return nil, err
		}
	}
	if in.LogStreamNamePrefix == nil {
		return in.LogStreamNames, nil
	}
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	var list []string
	q := wick.LogStreamQuery{Group: id, Prefix: *in.LogStreamNamePrefix, Limit: 1000}
	for {
		page, err := a.o.Groups.LogStreams(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page {
			list = append(list, page[i].Name)
		}
		if len(page) < q.Limit {
			return list, nil
		}
		q.After = &page[len(page)-1]
	}
}

// search gathers the records that match, up to an answer's size.
type search struct {
	pattern *filter.Filter
	limit   int
	ends    time.Time

	found  []wick.LogEvent
	bytes  int
	at     logs.Position // of the record looked at last
	looked int
}

// see takes records that match, in the order of the search; errEnough ends it before one
// that doesn't fit any more.
func (s *search) see(some []wick.LogEvent) error {
	for i := range some {
		if !s.take(&some[i]) {
			return errEnough
		}
		s.at = logs.PositionOf(&some[i])
	}
	return nil
}

// progress ends the search when its time is over, behind what it has looked at.
func (s *search) progress(before time.Time) error {
	looked := logs.Position{Millis: before.UnixMilli() - 1, Stream: lastStream, Seq: math.MaxInt64}
	if looked.Compare(s.at) > 0 {
		if s.at = looked; time.Now().After(s.ends) {
			return errEnough
		}
	}
	return nil
}

// lastStream is behind all streams' names.
const lastStream = string(utf8.MaxRune)

// take takes a record that matches, if it fits.
func (s *search) take(e *wick.LogEvent) bool {
	size := len(e.Message) + eventOverhead
	if len(s.found) == s.limit || s.bytes+size > maxEventBytes && len(s.found) > 0 {
		return false
	}
	s.bytes += size
	s.found = append(s.found, *e)
	return true
}

// look looks at a record on the way back; false ends the search before it.
func (s *search) look(e *wick.LogEvent) bool {
	if s.looked++; s.looked%1024 == 0 && time.Now().After(s.ends) {
		return false
	}
	if s.pattern.Match(e.Message) && !s.take(e) {
		return false
	}
	s.at = logs.PositionOf(e)
	return true
}

// backStep and backBytes are how many records a search backward reads at once, and how
// much text.
const (
	backStep  = 2000
	backBytes = 8 << 20
)

// back searches from the newest record to the oldest, and says whether there may be more.
func (s *search) back(ctx context.Context, from *logs.Logs, q logs.Query) (more bool, err error) {
	for q.Limit, q.LimitBytes = backStep, backBytes; ; {
		page, err := from.Read(ctx, q)
		if err != nil {
			return false, err
		}
		for i := len(page) - 1; i >= 0; i-- {
			if !s.look(&page[i]) {
				return true, nil
			}
		}
		if len(page) == 0 {
			return false, nil
		}
		before := s.at
		q.Before, q.To = &before, earlier(q.To, time.UnixMilli(before.Millis+1))
	}
}
