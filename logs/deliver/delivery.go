package deliver

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// How often and how far apart a delivery is tried.
const (
	maxRetryDelay = time.Minute
	functionTries = 3 // of an event that the function fails at, as an asynchronous invocation's
)

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
	LogEvents           []queued `json:"logEvents"`
}

// system returns the system fields that a filter wants to go along with its records, and
// whether its criteria select the group's records at all: both hang on the group alone.
func system(f *wick.LogFilter) (fields map[string]string, selected bool) {
	of := func(name string) string {
		switch name {
		case filter.AccountField:
			return f.Group.Account
		case filter.RegionField:
			return f.Group.Region
		}
		return f.Group.Account + ":" + f.Group.Name // as Insights has @log
	}
	for _, name := range f.SystemFields {
		if fields == nil {
			fields = map[string]string{}
		}
		fields[name] = of(name)
	}
	selection, err := filter.ParseSelection(f.Selection)
	return fields, err == nil && selection.Match(of) // it was checked when it was put
}

// try delivers until it works, the function has failed at it three times, the function
// isn't there, or the records are too old, which is looked at after each attempt: there
// is one in any case.
// Source: CloudWatch Logs, subscriptions: retried for up to 24 hours; Lambda, asynchronous
// invocation: two retries of what a function fails at.
func (s *subscription) try(t *target, stream string, batch []queued) error {
	event, err := t.event(stream, batch)
	if err != nil {
		return err
	}
	deadline := batch[len(batch)-1].ingested.Add(s.d.o.RetryFor)
	delay := s.d.o.FirstRetry
	for failures := 0; ; {
		if s.d.o.Invoke == nil {
			return errors.New("nothing delivers here")
		}
		err := s.d.o.Invoke(s.ctx, t.function, t.qualifier, event)
		if err == nil {
			s.d.measure(&t.f, "ForwardedLogEvents", "Count", len(batch))
			s.d.measure(&t.f, "ForwardedBytes", "Bytes", len(event))
			return nil
		}
		if s.ctx.Err() != nil {
			return err
		}
		s.d.stats.failed.Add(1)
		if wick.KindOf(err) == wick.TooManyRequests {
			s.d.measure(&t.f, "DeliveryThrottling", "Count", len(batch))
		} else {
			s.d.measure(&t.f, "DeliveryErrors", "Count", len(batch))
		}
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

// measure makes a value of one of the metrics that AWS has of subscriptions.
// Source: CloudWatch Logs, monitoring with CloudWatch metrics.
func (d *Deliver) measure(f *wick.LogFilter, name, unit string, value int) {
	if d.o.Metrics == nil {
		return
	}
	d.o.Metrics.Put(Metric{
		Account: f.Group.Account, Region: f.Group.Region, Namespace: "AWS/Logs", Name: name, Unit: unit, Value: float64(value), At: time.Now(),
		Dimensions: map[string]string{"LogGroupName": f.Group.Name, "DestinationType": "Lambda", "FilterName": f.Name},
	})
}

// event renders a batch as the function gets it.
func (t *target) event(stream string, batch []queued) ([]byte, error) {
	text, err := json.Marshal(message{
		MessageType: "DATA_MESSAGE", Owner: t.f.Group.Account, LogGroup: t.f.Group.Name, LogStream: stream,
		SubscriptionFilters: []string{t.f.Name}, LogEvents: batch,
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
