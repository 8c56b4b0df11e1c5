package deliver

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/logs/filter"
)

// Bounds of one delivery, and of those under way for one subscription. Records of one
// stream are delivered in order: one delivery of a stream at a time.
const (
	maxBatchBytes  = 1 << 20
	maxBatch       = 10_000
	maxDeliveries  = 10
	maxRetryDelay  = time.Minute
	functionTries  = 3 // of an event that the function fails at, as an asynchronous invocation's
	recordOverhead = 100
)

// subscription sends the records that match to a function.
type subscription struct {
	d         *Deliver
	f         wick.LogFilter
	pattern   *filter.Filter
	extracts  bool // the pattern names fields, which travel with the record
	function  wick.FunctionID
	qualifier string
	ctx       context.Context
	cancel    context.CancelFunc

	mu       sync.Mutex // guards all below
	closed   bool
	waiting  map[string]*outbox
	turns    []string // the streams of waiting that aren't being delivered, oldest first
	bytes    int      // of text, in waiting and under way
	records  int      // in waiting
	underWay int
	dropped  int64  // since that was last said
	at       string // the stream that is being looked at
}

// outbox is what waits of one stream.
type outbox struct {
	events []record
	busy   bool // a delivery of the stream is under way
}

// record is a log event as subscribers get it.
type record struct {
	ID        string            `json:"id"`
	Timestamp int64             `json:"timestamp"`
	Message   string            `json:"message"`
	Extracted map[string]string `json:"extractedFields,omitempty"`
}

// message is what is gzipped. Source: CloudWatch Logs, subscriptions, the format of
// records.
type message struct {
	MessageType         string   `json:"messageType"`
	Owner               string   `json:"owner"`
	LogGroup            string   `json:"logGroup"`
	LogStream           string   `json:"logStream"`
	SubscriptionFilters []string `json:"subscriptionFilters"`
	LogEvents           []record `json:"logEvents"`
}

func newSubscription(d *Deliver, f *wick.LogFilter, pattern *filter.Filter) *subscription {
	s := &subscription{
		d: d, f: *f, pattern: pattern, waiting: map[string]*outbox{},
		extracts: strings.HasPrefix(strings.TrimSpace(f.Pattern), "["),
	}
	s.function, s.qualifier, _ = ParseDestination(f.DestinationARN) // checked when it was put
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// ParseDestination takes a Lambda function's ARN apart; ok is false for another.
func ParseDestination(arn string) (function wick.FunctionID, qualifier string, ok bool) {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 || len(parts) > 8 || parts[0] != "arn" || parts[2] != "lambda" || parts[5] != "function" || parts[6] == "" {
		return function, "", false
	}
	if len(parts) == 8 {
		qualifier = parts[7]
	}
	return wick.FunctionID{Account: parts[4], Region: parts[3], Name: parts[6]}, qualifier, true
}

// subscription returns the one that a group has already, when it is the same, else a new one.
func (g *group) subscription(f *wick.LogFilter, make func() *subscription) *subscription {
	if g != nil {
		for i, old := range g.subscriptions {
			if old.f.Name == f.Name && old.f.Pattern == f.Pattern && old.f.DestinationARN == f.DestinationARN {
				g.subscriptions = append(g.subscriptions[:i], g.subscriptions[i+1:]...)
				return old
			}
		}
	}
	return make()
}

// begin says which stream the records are of that see is shown.
func (s *subscription) begin(stream string) {
	s.mu.Lock()
	s.at = stream
	s.mu.Unlock()
}

// see queues a record that matches.
func (s *subscription) see(e *wick.LogEvent) {
	var extracted map[string]string
	if s.extracts {
		fields, ok := s.pattern.Extract(e.Message)
		if !ok {
			return
		}
		extracted = make(map[string]string, len(fields))
		for name, value := range fields {
			extracted[strings.TrimPrefix(name, "$")] = value
		}
	} else if !s.pattern.Match(e.Message) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := len(e.Message) + recordOverhead
	if s.closed || s.bytes+size > s.d.o.MaxWaiting {
		s.dropped++
		s.d.stats.dropped.Add(1)
		return
	}
	box := s.waiting[s.at]
	if box == nil {
		box = &outbox{}
		s.waiting[s.at] = box
	}
	if len(box.events) == 0 && !box.busy {
		s.turns = append(s.turns, s.at)
	}
	box.events = append(box.events, record{
		ID: logs.EventID(e), Timestamp: e.Timestamp.UnixMilli(), Message: e.Message, Extracted: extracted,
	})
	s.bytes += size
	s.records++
}

// wake begins deliveries while there is something to deliver.
func (s *subscription) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.underWay < maxDeliveries && len(s.turns) > 0 {
		stream := s.turns[0]
		s.turns = s.turns[1:]
		box := s.waiting[stream]
		n, size := 0, 0
		for n < len(box.events) && n < maxBatch && (n == 0 || size+len(box.events[n].Message)+recordOverhead <= maxBatchBytes) {
			size += len(box.events[n].Message) + recordOverhead
			n++
		}
		batch := box.events[:n:n]
		if box.events = box.events[n:]; len(box.events) == 0 {
			box.events = nil
		}
		box.busy = true
		s.records -= n
		s.underWay++
		s.d.workers.Add(1)
		go s.deliver(stream, batch, size)
	}
}

// deliver hands a batch of one stream to the function, again and again if need be.
func (s *subscription) deliver(stream string, batch []record, size int) {
	defer s.d.workers.Done()
	err := s.try(stream, batch)
	s.mu.Lock()
	s.underWay--
	s.bytes -= size
	if err == nil {
		s.d.stats.delivered.Add(int64(len(batch)))
	} else {
		s.dropped += int64(len(batch))
		s.d.stats.dropped.Add(int64(len(batch)))
	}
	box := s.waiting[stream]
	box.busy = false
	if len(box.events) > 0 {
		s.turns = append(s.turns, stream)
	} else {
		delete(s.waiting, stream)
	}
	dropped := s.dropped
	s.dropped = 0
	s.mu.Unlock()
	if dropped > 0 {
		s.d.o.Log.Warn("log records were not delivered to a subscription",
			"group", s.f.Group.Name, "filter", s.f.Name, "destination", s.f.DestinationARN, "records", dropped, "error", err)
	}
	s.wake()
}

// try delivers until it works, the function has failed at it three times, the function
// isn't there, or too long. Source: CloudWatch Logs, subscriptions: retried for up to 24
// hours; Lambda, asynchronous invocation: two retries of what a function fails at.
func (s *subscription) try(stream string, batch []record) error {
	event, err := s.event(stream, batch)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(s.d.o.RetryFor)
	delay := s.d.o.FirstRetry
	for failures := 0; ; {
		if s.d.o.Invoke == nil {
			return errors.New("nothing delivers here")
		}
		err := s.d.o.Invoke(s.ctx, s.function, s.qualifier, event)
		if err == nil {
			return nil
		}
		s.d.stats.failed.Add(1)
		if errors.Is(err, ErrFunctionFailed) {
			if failures++; failures == functionTries {
				return err
			}
		}
		if kind := wick.KindOf(err); kind == wick.NotFound || kind == wick.RequestTooLarge || kind == wick.AccessDenied {
			return err
		}
		if time.Now().Add(delay).After(deadline) {
			return err
		}
		select {
		case <-time.After(delay):
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		delay = min(2*delay, maxRetryDelay)
	}
}

// event renders a batch as the function gets it.
func (s *subscription) event(stream string, batch []record) ([]byte, error) {
	text, err := json.Marshal(message{
		MessageType: "DATA_MESSAGE", Owner: s.f.Group.Account, LogGroup: s.f.Group.Name, LogStream: stream,
		SubscriptionFilters: []string{s.f.Name}, LogEvents: batch,
	})
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	event := make([]byte, 0, base64.StdEncoding.EncodedLen(packed.Len())+32)
	event = append(event, `{"awslogs":{"data":"`...)
	event = base64.StdEncoding.AppendEncode(event, packed.Bytes())
	return append(event, `"}}`...), nil
}

// close ends the subscription and returns how many records no delivery had begun of.
func (s *subscription) close() int {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	s.closed = true
	return s.records
}
