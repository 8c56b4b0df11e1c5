package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// How requests are made.
const (
	requestTimeout = 10 * time.Second
	firstPause     = 500 * time.Millisecond
	longestPause   = 30 * time.Second
	maxAnswer      = 64 << 10
)

// refusal is an answer that isn't a success.
type refusal struct {
	status string
	text   string
	again  bool          // it may be different next time
	after  time.Duration // not before; 0 when the receiver doesn't say
}

// Error returns the status, and what the receiver said.
func (r *refusal) Error() string {
	if r.text == "" {
		return "the OTLP receiver answered " + r.status
	}
	return "the OTLP receiver answered " + r.status + ": " + r.text
}

// send sends items of a signal, again while that can help and there is time.
// Source: OTLP specification, failures.
func (e *Exporter) send(signal int, m proto.Message, items int) {
	body, err := pack(m)
	if err != nil { // strings that aren't UTF-8 were made so
		e.o.Log.Error("telemetry can't be encoded", "signal", signalNames[signal], "error", err)
		e.stats[signal].dropped.Add(int64(items))
		return
	}
	deadline := time.Now().Add(e.o.RetryFor)
	pause := firstPause
	for attempt := 1; ; attempt++ {
		var rejected int64
		rejected, err = e.post(signal, body)
		if err == nil {
			rejected = min(rejected, int64(items))
			e.stats[signal].sent.Add(int64(items) - rejected)
			e.stats[signal].dropped.Add(rejected)
			if attempt > 1 {
				e.o.Log.Info("telemetry is taken again", "signal", signalNames[signal], "endpoint", e.o.Endpoint)
			}
			return
		}
		if attempt == 1 {
			e.o.Log.Warn("telemetry could not be sent", "signal", signalNames[signal], "endpoint", e.o.Endpoint, "error", err)
		}
		var no *refusal
		wait := pause
		if errors.As(err, &no) {
			if !no.again {
				break
			}
			wait = max(wait, no.after)
		}
		if time.Now().Add(wait).After(deadline) {
			break
		}
		if e.wait(wait) != nil {
			break
		}
		pause = min(2*pause, longestPause)
	}
	e.stats[signal].dropped.Add(int64(items))
}

// wait pauses between attempts; while the exporter is being closed only shortly, for one
// more try before all is given up.
func (e *Exporter) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-e.last.Done():
		return errClosed
	case <-e.closing:
	}
	select {
	case <-time.After(min(d, firstPause)):
		return nil
	case <-e.last.Done():
		return errClosed
	}
}

// transport carries requests to a receiver.
type transport interface {
	// post sends a signal's request, compressed with gzip, and returns the answer's
	// message. An error is a *refusal where the receiver answered.
	post(ctx context.Context, signal int, body []byte) (answer []byte, err error)
	// close lets go of connections. No post is under way.
	close()
}

// post sends one request and returns how many items the receiver rejects.
func (e *Exporter) post(signal int, body []byte) (rejected int64, err error) {
	ctx, cancel := context.WithTimeout(e.last, requestTimeout)
	defer cancel()
	answer, err := e.transport.post(ctx, signal, body)
	if err != nil {
		return 0, err
	}
	n, text := partialSuccess(answer)
	if n > 0 || text != "" {
		e.o.Log.Warn("the OTLP receiver took only a part", "signal", signalNames[signal], "rejected", n, "message", text)
	}
	return n, nil
}

// pack encodes a request.
func pack(m proto.Message) ([]byte, error) {
	text, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// partialSuccess reads what an answer says of items the receiver rejects. The three
// signals' answers are alike: member 1 is the partial success, of which 1 is the count
// and 2 the message.
// Source: opentelemetry-proto, Export…ServiceResponse.
func partialSuccess(answer []byte) (rejected int64, message string) {
	eachField(answer, func(number protowire.Number, _ uint64, b []byte) {
		if number != 1 {
			return
		}
		eachField(b, func(number protowire.Number, v uint64, b []byte) {
			switch number {
			case 1:
				rejected = max(int64(v), 0)
			case 2:
				message = string(b)
			}
		})
	})
	return rejected, message
}

// eachField calls f with the fields of a message that are numbers or bytes, up to where
// it can't be read.
func eachField(b []byte, f func(number protowire.Number, v uint64, bytes []byte)) {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return
			}
			f(number, v, nil)
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return
			}
			f(number, 0, v)
			b = b[n:]
		default:
			n := protowire.ConsumeFieldValue(number, typ, b)
			if n < 0 {
				return
			}
			b = b[n:]
		}
	}
}
