package logs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// streaming returns a client as the SDK makes it: it puts stream- before the host's
// name, which here is found at the server's address all the same.
func (h *harness) streaming() *cloudwatchlogs.Client {
	h.t.Helper()
	base, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	var d net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, base.Host)
	}}
	h.t.Cleanup(transport.CloseIdleConnections)
	o := h.client.Options()
	o.HTTPClient = &http.Client{Transport: transport}
	return cloudwatchlogs.New(o)
}

// tailed is a session as a client has it.
type tailed struct {
	h      *harness
	stream *cloudwatchlogs.StartLiveTailEventStream
	start  types.LiveTailSessionStart
}

func (h *harness) tail(in *cloudwatchlogs.StartLiveTailInput) *tailed {
	h.t.Helper()
	out := must[*cloudwatchlogs.StartLiveTailOutput](h)(h.streaming().StartLiveTail(h.ctx, in))
	s := &tailed{h: h, stream: out.GetStream()}
	h.t.Cleanup(func() { _ = s.stream.Close() }) // what it ended with is looked at by the test
	first, ok := s.next().(*types.StartLiveTailResponseStreamMemberSessionStart)
	if !ok {
		h.t.Fatalf("a session begins with %T", first)
	}
	s.start = first.Value
	return s
}

// next returns the next event; nil when the stream ended.
func (s *tailed) next() types.StartLiveTailResponseStream {
	s.h.t.Helper()
	select {
	case e := <-s.stream.Events():
		return e
	case <-time.After(time.Minute):
		s.h.t.Fatal("no event in a minute")
		return nil
	}
}

// until collects updates until n events came.
func (s *tailed) until(n int) (messages []string, sampled bool) {
	s.h.t.Helper()
	for len(messages) < n {
		e, ok := s.next().(*types.StartLiveTailResponseStreamMemberSessionUpdate)
		if !ok {
			s.h.t.Fatalf("%T after %q: %v", e, messages, s.stream.Err())
		}
		sampled = sampled || e.Value.SessionMetadata.Sampled
		for _, r := range e.Value.SessionResults {
			messages = append(messages, *r.Message)
		}
	}
	return messages, sampled
}

func arnOf(group string) string { return "arn:aws:logs:us-east-1:111111111111:log-group:" + group }

func TestALiveTailShowsWhatComesAndMatches(t *testing.T) {
	h := newHarness(t)
	h.group("g", "a1", "a2", "b")
	h.group("other", "s")
	now := time.Now()
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "a1", events(now, 0, "ERROR before")))
	in := &cloudwatchlogs.StartLiveTailInput{
		LogGroupIdentifiers: []string{arnOf("g")}, LogStreamNamePrefixes: []string{"a"}, LogEventFilterPattern: aws.String("ERROR"),
	}
	s := h.tail(in)
	if s.start.LogGroupIdentifiers[0] != arnOf("g") || *s.start.LogEventFilterPattern != "ERROR" || len(*s.start.SessionId) != 36 || *s.start.RequestId == "" {
		t.Errorf("the session is %+v", s.start)
	}
	for i, put := range []struct{ group, stream, text string }{
		{"g", "a1", "ERROR 1"}, {"g", "b", "ERROR of a stream it didn't ask for"}, {"other", "s", "ERROR of another group"}, {"g", "a1", "fine"}, {"g", "a2", "ERROR 2"},
	} {
		must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put(put.group, put.stream, events(now, i, put.text)))
	}
	messages, sampled := s.until(2)
	if fmt.Sprint(messages) != "[ERROR 1 ERROR 2]" || sampled {
		t.Errorf("it showed %q, sampled: %v", messages, sampled)
	}
}

func TestALiveTailSamplesWhatIsTooMuch(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	s := h.tail(&cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}, LogStreamNames: []string{"s"}})
	var list []any
	for i := range 2000 {
		list = append(list, i, fmt.Sprint("line ", i))
	}
	must[*cloudwatchlogs.PutLogEventsOutput](h)(h.put("g", "s", events(time.Now(), list...)))
	messages, sampled := s.until(1)
	if len(messages) != maxTailEvents || !sampled {
		t.Errorf("an update has %d events, sampled: %v", len(messages), sampled)
	}
	seen := map[string]bool{}
	for _, m := range messages {
		seen[m] = true
	}
	if len(seen) != maxTailEvents {
		t.Errorf("%d of its events are different", len(seen))
	}
}

func TestALiveTailThatCantBeIsRefusedInAWSsTerms(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	h.group("g2", "s")
	client := h.streaming()
	for _, test := range []struct {
		in   cloudwatchlogs.StartLiveTailInput
		want string
	}{
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}}, "InvalidParameterException"},
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g") + ":*"}}, "InvalidParameterException"},
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("none")}}, "ResourceNotFoundException"},
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g"), arnOf("g2")}, LogStreamNames: []string{"s"}}, "InvalidParameterException"},
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}, LogStreamNames: []string{"s"}, LogStreamNamePrefixes: []string{"s"}}, "InvalidParameterException"},
		{cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}, LogEventFilterPattern: aws.String("{ $.a = ")}, "InvalidParameterException"},
	} {
		out, err := client.StartLiveTail(h.ctx, &test.in)
		if err == nil {
			_ = out.GetStream().Close() // a failed test shall end, too
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.in, err, test.want)
		}
	}
	var open []*tailed
	for range maxTailSessions {
		open = append(open, h.tail(&cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}}))
	}
	var limit *types.LimitExceededException
	if _, err := client.StartLiveTail(h.ctx, &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}}); !errors.As(err, &limit) {
		t.Errorf("one session more than there may be: %v", err)
	}
	// A client that hangs up leaves room for another.
	if err := open[0].stream.Close(); err != nil {
		t.Error(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := client.StartLiveTail(h.ctx, &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}})
		if err == nil {
			if err := out.GetStream().Close(); err != nil {
				t.Error(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a session that its client left is still counted")
		}
	}
}

func TestALiveTailEndsWhenItsTimeIsOver(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.TailFor = 50 * time.Millisecond })
	h.group("g", "s")
	s := h.tail(&cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}})
	for s.next() != nil {
	}
	var timeout *types.SessionTimeoutException
	if err := s.stream.Err(); !errors.As(err, &timeout) {
		t.Errorf("it ended with %v", err)
	}
}

func TestALiveTailEndsWithTheServer(t *testing.T) {
	h := newHarness(t)
	h.group("g", "s")
	s := h.tail(&cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{arnOf("g")}})
	h.logs.StopFollowing()
	for s.next() != nil {
	}
	var streaming *types.SessionStreamingException
	if err := s.stream.Err(); !errors.As(err, &streaming) {
		t.Errorf("it ended with %v", err)
	}
}
