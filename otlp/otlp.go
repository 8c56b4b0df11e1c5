package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/metrics"
)

// Options configure an Exporter. Endpoint is needed.
type Options struct {
	// Endpoint is a receiver's URL, such as http://127.0.0.1:4318 for HTTP, to which the
	// signals' own paths (/v1/traces, …) are added, or http://127.0.0.1:4317 for gRPC;
	// https:// is for TLS with either. Source: OTLP specification.
	Endpoint string
	// Protocol is HTTP or GRPC; "" goes by the endpoint's port: 4317 is gRPC's.
	Protocol string
	// Headers are sent with every request, for receivers that want a key; with gRPC they
	// are its metadata.
	Headers map[string]string
	Version string       // of Wick, for the scope of what is sent
	Log     *slog.Logger // nil discards

	// Totals are what was counted of functions, to be sent as metrics; nil sends none.
	Totals func() []metrics.FunctionTotals

	// BatchEvery is how long what happened waits for more; 0 means a second.
	BatchEvery time.Duration
	// MetricsEvery is the time between two reports of metrics; 0 means 15 seconds.
	MetricsEvery time.Duration
	// MaxWaiting is how much of each signal may wait, in bytes; 0 means 16 MiB.
	MaxWaiting int
	// RetryFor is how long a batch is tried; 0 means 5 minutes.
	RetryFor time.Duration
	// CloseTimeout is how long Close may take to send what is left; 0 means 5 seconds.
	CloseTimeout time.Duration
}

// Exporter sends to a receiver until Close. It is a wick.Recorder.
type Exporter struct {
	o         Options
	transport transport
	began     time.Time

	spans   *queue[span]
	logs    *queue[record]
	values  *queue[wick.MetricPoint]
	current sync.Map // *wick.Source → invocation: what it works on, if its trace is recorded

	stats [signals]stats

	closeOnce sync.Once
	closing   chan struct{}
	last      context.Context // over when Close must be done
	giveUp    context.CancelFunc
	workers   sync.WaitGroup
}

// The signals.
const (
	traceSignal = iota
	logSignal
	metricSignal
	signals
)

var signalNames = [signals]string{"spans", "log records", "metrics"}

var _ wick.Recorder = (*Exporter)(nil)

// The protocols, as OTEL_EXPORTER_OTLP_PROTOCOL names them.
// Source: OpenTelemetry specification, OTLP exporter configuration.
const (
	HTTP = "http/protobuf"
	GRPC = "grpc"
)

// grpcPort is the port that receivers have for gRPC unless they are told another.
const grpcPort = "4317"

// CheckEndpoint says what is wrong with an endpoint or a protocol, if anything is.
func CheckEndpoint(endpoint, protocol string) error {
	_, err := choose(endpoint, protocol)
	return err
}

// choose returns the protocol for an endpoint, when both are right.
func choose(endpoint, protocol string) (string, error) {
	if protocol != "" && protocol != HTTP && protocol != GRPC {
		return "", fmt.Errorf("%q is none of OTLP's protocols: there are %s and %s", protocol, GRPC, HTTP)
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is no URL of a receiver that takes OTLP, such as http://127.0.0.1:4318 (HTTP) or http://127.0.0.1:4317 (gRPC)", endpoint)
	}
	if protocol == "" {
		protocol = HTTP
		if u.Port() == grpcPort {
			protocol = GRPC
		}
	}
	if protocol == GRPC && strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%q has a path, which gRPC has no use for", endpoint)
	}
	return protocol, nil
}

// Open starts sending.
func Open(o Options) (*Exporter, error) {
	protocol, err := choose(o.Endpoint, o.Protocol)
	if err != nil {
		return nil, err
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.BatchEvery, time.Second)
	setDefault(&o.MetricsEvery, 15*time.Second)
	setDefault(&o.MaxWaiting, 16<<20)
	setDefault(&o.RetryFor, 5*time.Minute)
	setDefault(&o.CloseTimeout, 5*time.Second)
	e := &Exporter{o: o, began: time.Now(), closing: make(chan struct{})}
	if protocol == GRPC {
		e.transport = newGRPC(&o)
	} else {
		e.transport = newHTTP(&o)
	}
	e.last, e.giveUp = context.WithCancel(context.Background())
	e.spans = newQueue[span](o.MaxWaiting, &e.stats[traceSignal])
	e.logs = newQueue[record](o.MaxWaiting, &e.stats[logSignal])
	e.values = newQueue[wick.MetricPoint](o.MaxWaiting, &e.stats[metricSignal])
	e.work(func() { run(e, traceSignal, e.spans, e.renderSpans) })
	e.work(func() { run(e, logSignal, e.logs, e.renderLogs) })
	e.work(e.runMetrics)
	return e, nil
}

func setDefault[T ~int | ~int64](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

func (e *Exporter) work(f func()) {
	e.workers.Add(1)
	go func() {
		defer e.workers.Done()
		f()
	}()
}

// Close sends what is waiting, within CloseTimeout, and ends. What comes after it is
// dropped. It can be called twice.
func (e *Exporter) Close() error {
	e.closeOnce.Do(func() {
		e.spans.close()
		e.logs.close()
		e.values.close()
		timer := time.AfterFunc(e.o.CloseTimeout, e.giveUp)
		close(e.closing)
		e.workers.Wait()
		timer.Stop()
		e.giveUp()
		e.transport.close()
		for i := range e.stats {
			e.sayDropped(i)
		}
	})
	return nil
}

// maxBatch and maxBatchBytes bound one request.
const (
	maxBatch      = 2000
	maxBatchBytes = 2 << 20
)

// run sends what is queued of a signal, in batches, until the exporter is closed.
func run[T any](e *Exporter, signal int, q *queue[T], render func([]T) proto.Message) {
	batches := time.NewTicker(e.o.BatchEvery)
	defer batches.Stop()
	for closing := false; !closing; {
		select {
		case <-batches.C:
		case <-q.full:
		case <-e.closing:
			closing = true
		}
		drain(e, signal, q, render)
		e.sayDropped(signal)
	}
}

// drain sends all that is queued.
func drain[T any](e *Exporter, signal int, q *queue[T], render func([]T) proto.Message) {
	for {
		batch := q.take(maxBatch, maxBatchBytes)
		if len(batch) == 0 {
			return
		}
		e.send(signal, render(batch), len(batch))
	}
}

// sayDropped tells the operator of losses that it hasn't been told of.
func (e *Exporter) sayDropped(signal int) {
	s := &e.stats[signal]
	now := s.dropped.Load()
	if n := now - s.said.Swap(now); n > 0 {
		e.o.Log.Warn("telemetry was dropped: the OTLP receiver doesn't take it, or not fast enough",
			"signal", signalNames[signal], "dropped", n, "endpoint", e.o.Endpoint)
	}
}

// Stats are counts since the start.
type Stats struct{ Sent, Dropped int64 }

// Stats returns the counts of spans, log records and metrics.
func (e *Exporter) Stats() (spans, logs, values Stats) {
	of := func(i int) Stats { return Stats{e.stats[i].sent.Load(), e.stats[i].dropped.Load()} }
	return of(traceSignal), of(logSignal), of(metricSignal)
}

// errClosed ends sending.
var errClosed = errors.New("the exporter is closed")
