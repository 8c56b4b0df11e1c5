package logs

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/filter"
)

// Bounds of live tail sessions. Source: StartLiveTail; CloudWatch Logs quotas.
const (
	maxTailSessions = 15 // of an account in a region
	maxTailEvents   = 500
	tailEvery       = time.Second
	tailFor         = 3 * time.Hour
	// tailBytes is how much text may wait for a session between two updates; what comes
	// beyond counts as matched and not sent.
	tailBytes = 16 << 20
	// tailPause is how long a session waits before it begins. The Go SDK closes a request's
	// body as soon as there is an answer; net/http, which looks once more for the body's
	// end after sending it, then takes that for a failure and cuts the connection. A
	// stream that begins within microseconds would be cut every few times.
	tailPause = 50 * time.Millisecond
)

// liveTail is one session.
type liveTail struct {
	groups   []wick.LogGroupID
	arns     map[wick.LogGroupID]string // as the session's answer names them
	streams  []string
	prefixes []string
	pattern  *filter.Filter

	found   []types.LiveTailSessionLogEvent
	matched int
}

func (a *API) startLiveTail(ctx context.Context, in *cloudwatchlogs.StartLiveTailInput, out *protocol.Events) error {
	if err := a.throttle(ctx, "StartLiveTail"); err != nil {
		return err
	}
	s, err := a.newLiveTail(ctx, in)
	if err != nil {
		return err
	}
	call := protocol.From(ctx)
	leave, err := a.sessions.enter(call.Account + "/" + call.Region)
	if err != nil {
		return err
	}
	defer leave()
	tap := a.o.Logs.Tap(s.taps, tailBytes)
	defer tap.Close()
	select {
	case <-time.After(tailPause):
	case <-ctx.Done():
		return ctx.Err()
	}
	err = out.Send("sessionStart", &types.LiveTailSessionStart{
		RequestId: &call.RequestID, SessionId: aws.String(uuid.NewString()), LogGroupIdentifiers: in.LogGroupIdentifiers,
		LogStreamNames: in.LogStreamNames, LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	})
	if err != nil {
		return err
	}
	updates := time.NewTicker(a.o.TailEvery)
	defer updates.Stop()
	over := time.NewTimer(a.o.TailFor)
	defer over.Stop()
	for {
		select {
		case <-updates.C:
			if err := out.Send("sessionUpdate", s.update(tap)); err != nil {
				return err
			}
		case <-over.C:
			return &types.SessionTimeoutException{Message: aws.String("Live Tail session has timed out.")}
		case <-tap.Done():
			return &types.SessionStreamingException{Message: aws.String("The server is shutting down.")}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newLiveTail holds a request to the rules and finds its groups.
func (a *API) newLiveTail(ctx context.Context, in *cloudwatchlogs.StartLiveTailInput) (*liveTail, error) {
	s := &liveTail{streams: in.LogStreamNames, prefixes: in.LogStreamNamePrefixes, arns: map[wick.LogGroupID]string{}}
	switch {
	case len(s.streams) > 0 && len(s.prefixes) > 0:
		return nil, invalid("LogStreamNames and LogStreamNamePrefixes are mutually exclusive parameters.")
	case len(s.streams)+len(s.prefixes) > 0 && len(in.LogGroupIdentifiers) > 1:
		return nil, invalid("LogStreamNames and LogStreamNamePrefixes can be specified only with a single log group.")
	}
	var err error
	if s.pattern, err = filter.Parse(aws.ToString(in.LogEventFilterPattern)); err != nil {
		return nil, invalid("%v", err)
	}
	for _, arn := range in.LogGroupIdentifiers {
		if !strings.HasPrefix(arn, "arn:") || strings.HasSuffix(arn, "*") {
			return nil, invalid("LogGroupIdentifiers must be ARNs that don't end with an asterisk (*).")
		}
		id, err := groupOfARN(ctx, arn)
		if err != nil {
			return nil, err
		}
		g, err := a.group(ctx, id)
		if err != nil {
			return nil, err
		}
		if class := types.LogGroupClass(g.Class); class != types.LogGroupClassStandard && class != "" {
			return nil, &types.InvalidOperationException{Message: aws.String("Live Tail is supported for log groups of the STANDARD class only.")}
		}
		if slices.Contains(s.groups, id) {
			continue
		}
		s.groups, s.arns[id] = append(s.groups, id), arn
	}
	return s, nil
}

// taps says whether a group is one of the session's.
func (s *liveTail) taps(id wick.LogGroupID) bool { return slices.Contains(s.groups, id) }

// update returns what came since the last update and matches, and a sample of it when
// that is too much.
func (s *liveTail) update(tap *logs.Tap) *types.LiveTailSessionUpdate {
	s.found, s.matched = make([]types.LiveTailSessionLogEvent, 0, 16), 0
	for _, some := range tap.TakeNow() {
		if s.wants(some.Stream) {
			some.Each(func(e wick.LogEvent) { s.see(some.Group, &e) })
		}
	}
	lost, _ := tap.Dropped()
	slices.SortStableFunc(s.found, func(x, y types.LiveTailSessionLogEvent) int { return int(*x.Timestamp - *y.Timestamp) })
	return &types.LiveTailSessionUpdate{
		SessionMetadata: &types.LiveTailSessionMetadata{Sampled: s.matched > maxTailEvents || lost > 0}, SessionResults: s.found,
	}
}

func (s *liveTail) wants(stream string) bool {
	switch {
	case len(s.streams) > 0:
		return slices.Contains(s.streams, stream)
	case len(s.prefixes) > 0:
		return slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(stream, p) })
	}
	return true
}

// see keeps a record that matches; of too many, each with the same probability.
func (s *liveTail) see(group wick.LogGroupID, e *wick.LogEvent) {
	if !s.pattern.Match(e.Message) {
		return
	}
	s.matched++
	at := len(s.found)
	if at == maxTailEvents {
		if at = rand.IntN(s.matched); at >= maxTailEvents { //nolint:gosec // which of the lines are shown is no secret
			return
		}
	} else {
		s.found = append(s.found, types.LiveTailSessionLogEvent{})
	}
	s.found[at] = types.LiveTailSessionLogEvent{
		LogGroupIdentifier: aws.String(s.arns[group]), LogStreamName: &e.Stream, Message: &e.Message,
		Timestamp: millis(e.Timestamp), IngestionTime: millis(e.Ingested),
	}
}
