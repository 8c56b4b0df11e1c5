package otlp

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/metrics"
)

func TestMain(m *testing.M) { leak.Main(m) }

const patience = time.Minute

// receiver is one that takes OTLP over HTTP.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	answers []func(http.ResponseWriter) // to the next requests; then 200
	traces  []*tracepb.TracesData
	logs    []*logspb.LogsData
	metrics []*metricspb.MetricsData
	headers []http.Header
	changed chan struct{} // of size 1
}

func newReceiver(t *testing.T, answers ...func(http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{t: t, answers: answers, changed: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}()
	r.headers = append(r.headers, q.Header)
	overGRPC := strings.HasPrefix(q.Header.Get("Content-Type"), "application/grpc")
	if overGRPC {
		r.checkCall(q)
	}
	z, err := gzip.NewReader(q.Body)
	if err != nil {
		r.t.Error(err)
		return
	}
	body, err := io.ReadAll(z)
	if err != nil {
		r.t.Error(err)
	}
	if len(r.answers) > 0 {
		answer := r.answers[0]
		if r.answers = r.answers[1:]; answer != nil {
			answer(w)
			return
		}
	}
	if overGRPC {
		answerCall(w, 0, nil)
	}
	switch q.URL.Path {
	case "/v1/traces", methods[traceSignal]:
		m := &tracepb.TracesData{}
		err = proto.Unmarshal(body, m)
		r.traces = append(r.traces, m)
	case "/v1/logs", methods[logSignal]:
		m := &logspb.LogsData{}
		err = proto.Unmarshal(body, m)
		r.logs = append(r.logs, m)
	case "/v1/metrics", methods[metricSignal]:
		m := &metricspb.MetricsData{}
		err = proto.Unmarshal(body, m)
		r.metrics = append(r.metrics, m)
	default:
		r.t.Errorf("%s was asked for", q.URL.Path)
	}
	if err != nil {
		r.t.Error(err)
	}
}

// until waits for something to be so.
func (r *receiver) until(what string, so func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		ok := so()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			r.t.Fatalf("%s never was", what)
		}
	}
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func open(t *testing.T, o Options) *Exporter {
	t.Helper()
	if o.BatchEvery == 0 {
		o.BatchEvery = 10 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Version = "1.2.3"
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

var source = &wick.Source{
	InstanceID: "0123", LogGroup: "/aws/lambda/orders", LogStream: "2026/11/24/[$LATEST]0123",
	Function: &wick.Function{FunctionID: wick.FunctionID{Account: "111111111111", Region: "eu-west-1", Name: "orders"}, Version: "7", MemoryMB: 256},
}

const (
	trace   = "1-6b06237e-5240e3df074303a1c195c7b6"
	segment = "53995c3f42cd8ad8"
)

// show renders attributes as text.
func show(list []*commonpb.KeyValue) string {
	var all []string
	for _, kv := range list {
		var text string
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			text = v.StringValue
		case *commonpb.AnyValue_ArrayValue:
			text = "[" + v.ArrayValue.Values[0].GetStringValue() + "]"
		default:
			text = strings.TrimSpace(strings.SplitN(fmt.Sprint(kv.Value), ":", 2)[1])
		}
		all = append(all, kv.Key+"="+text)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestASegmentIsSpans(t *testing.T) {
	r := newReceiver(t)
	e := open(t, Options{Endpoint: r.URL + "/", Headers: map[string]string{"Api-Key": "k"}})
	put := func(src *wick.Source, text string) { e.Segment(src, &wick.TraceSegment{Document: []byte(text)}) }
	put(nil, `{"id":"70de5b6f19ff9a0a","trace_id":"`+trace+`","parent_id":"aaaaaaaaaaaaaaaa","name":"orders","start_time":1.5,"end_time":3,"origin":"AWS::Lambda",
		"http":{"response":{"status":200}},"aws":{"request_id":"r1","function_arn":"arn:aws:lambda:eu-west-1:111111111111:function:orders"},"fault":true}`)
	put(source, `{"id":"`+segment+`","trace_id":"`+trace+`","parent_id":"70de5b6f19ff9a0a","name":"orders","start_time":1.6,"end_time":2.9,"origin":"AWS::Lambda::Function",
		"fault":true,"cause":{"exceptions":[{"type":"ValueError","message":"no","stack":[{"path":"app.py","line":3,"label":"handler"}]}]},
		"aws":{"request_id":"r1","function_arn":"arn"},"annotations":{"vip":true,"n":2},
		"subsegments":[{"id":"1111111111111111","name":"Initialization","start_time":1.5,"end_time":1.6},
			{"id":"2222222222222222","name":"s3","start_time":1.7,"end_time":1.8,"namespace":"aws","aws":{"operation":"GetObject","request_id":"x"}}]}`)
	put(source, `{"id":"3333333333333333","trace_id":"`+trace+`","parent_id":"2222222222222222","type":"subsegment","name":"work","start_time":1.7,"in_progress":true}`)
	put(source, `{"id":"4444444444444444","trace_id":"`+trace+`","parent_id":"`+segment+`","type":"subsegment","name":"work","start_time":1.7,"end_time":1.71,"metadata":{"m":{"a":1}}}`)
	r.until("spans", func() bool { return len(r.traces) == 1 })
	if h := r.headers[0]; h.Get("Api-Key") != "k" || h.Get("Content-Type") != "application/x-protobuf" || h.Get("User-Agent") != "wick/1.2.3" {
		t.Errorf("sent with %v", h)
	}
	got := r.traces[0].ResourceSpans
	if len(got) != 2 || show(got[0].Resource.Attributes) != "service.name=wick service.version=1.2.3" {
		t.Fatalf("%d resources: %v", len(got), got)
	}
	want := "aws.log.group.names=[/aws/lambda/orders] aws.log.stream.names=[2026/11/24/[$LATEST]0123] cloud.account.id=111111111111 cloud.platform=aws_lambda cloud.provider=aws " +
		"cloud.region=eu-west-1 cloud.resource_id=arn:aws:lambda:eu-west-1:111111111111:function:orders faas.instance=2026/11/24/[$LATEST]0123 faas.max_memory=268435456 " +
		"faas.name=orders faas.version=7 service.name=orders"
	if s := show(got[1].Resource.Attributes); s != want {
		t.Errorf("the function's resource is\n%s, want\n%s", s, want)
	}
	var spans []string
	for _, rs := range got {
		for _, s := range rs.ScopeSpans[0].Spans {
			if hex.EncodeToString(s.TraceId) != "6b06237e5240e3df074303a1c195c7b6" {
				t.Errorf("trace %x", s.TraceId)
			}
			spans = append(spans, fmt.Sprintf("%x<%x %s %s %s %d+%d {%s}", s.SpanId, s.ParentSpanId, s.Name, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"),
				strings.TrimPrefix(s.Status.Code.String(), "STATUS_CODE_"), s.StartTimeUnixNano, s.EndTimeUnixNano-s.StartTimeUnixNano, show(s.Attributes)))
		}
	}
	wanted := []string{
		"70de5b6f19ff9a0a<aaaaaaaaaaaaaaaa orders CLIENT ERROR 1500000000+1500000000 {aws.lambda.invoked_arn=arn:aws:lambda:eu-west-1:111111111111:function:orders aws.request_id=r1 " +
			"faas.invoked_name=orders faas.invoked_provider=aws faas.invoked_region=eu-west-1 http.response.status_code=200}",
		"53995c3f42cd8ad8<70de5b6f19ff9a0a orders SERVER ERROR 1600000000+1300000000 {aws.lambda.invoked_arn=arn faas.coldstart=true faas.invocation_id=r1 faas.trigger=other n=2 vip=true}",
		"1111111111111111<53995c3f42cd8ad8 Initialization INTERNAL UNSET 1500000000+100000000 {}",
		"2222222222222222<53995c3f42cd8ad8 s3 CLIENT UNSET 1700000000+100000000 {aws.operation=GetObject aws.request_id=x}",
		`4444444444444444<53995c3f42cd8ad8 work INTERNAL UNSET 1700000000+10000000 {aws.xray.metadata.m={"a":1}}`,
	}
	if !slices.Equal(spans, wanted) {
		t.Errorf("the spans are\n%s\nwant\n%s", strings.Join(spans, "\n"), strings.Join(wanted, "\n"))
	}
	x := got[1].ScopeSpans[0].Spans[0].Events[0]
	if s := show(x.Attributes); x.Name != "exception" || !strings.Contains(s, "exception.type=ValueError") || !strings.Contains(s, "at handler (app.py:3)") {
		t.Errorf("the exception is %s", s)
	}
}

func TestALineIsALogRecordOfItsSpan(t *testing.T) {
	r := newReceiver(t)
	e := open(t, Options{Endpoint: r.URL})
	at := time.Unix(1700000000, 0)
	header := "Root=" + trace + ";Parent=" + segment + ";Sampled=1"
	for _, ev := range []wick.Event{
		wick.InvokeStart{RequestID: "r1", Version: "7", Trace: header},
		wick.LogLine{RequestID: "r1", Text: `{"level":"warn","message":"x"}`},
		wick.LogLine{RequestID: "r1", Text: "[ERROR]\t2026-11-24T23:00:00.000Z\tr1\tboom \xff"},
		wick.LogLine{RequestID: "r1", Text: "2026-11-24T23:00:00.000Z\tr1\tINFO\tfine"},
		wick.LogLine{RequestID: "r1", Text: "plain"},
		wick.Report{RequestID: "r1", Status: wick.StatusSuccess, Trace: header, SegmentID: segment},
		wick.LogLine{Text: "after"},
		wick.StateChanged{To: wick.InstanceStopped},
	} {
		e.Record(at, source, ev)
	}
	r.until("records", func() bool { return len(r.logs) > 0 })
	var got []string
	for _, data := range r.logs {
		for _, l := range data.ResourceLogs[0].ScopeLogs[0].LogRecords {
			text, _, _ := strings.Cut(l.Body.GetStringValue(), "\t")
			got = append(got, fmt.Sprintf("%s|%s|%d|%x|%x|%s", text, l.SeverityText, l.SeverityNumber, l.TraceId, l.SpanId, show(l.Attributes)))
		}
	}
	of := "|6b06237e5240e3df074303a1c195c7b6|53995c3f42cd8ad8|faas.invocation_id=r1"
	want := []string{
		"START RequestId: r1 Version: 7|INFO|9" + of, `{"level":"warn","message":"x"}|WARN|13` + of, "[ERROR]|ERROR|17" + of,
		"2026-11-24T23:00:00.000Z|INFO|9" + of, "plain||0" + of, "END RequestId: r1|INFO|9" + of, "REPORT RequestId: r1|INFO|9" + of, "after||0|||",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the records are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsCountedIsMetrics(t *testing.T) {
	r := newReceiver(t)
	var total metrics.FunctionTotals
	total.FunctionID, total.Version = source.Function.FunctionID, "7"
	total.Invocations, total.Errors, total.Concurrency = 5, 2, 1
	for _, ms := range []float64{4, 20, 20, 3000} {
		total.Duration.Add(ms, 1)
	}
	e := open(t, Options{Endpoint: r.URL, MetricsEvery: 10 * time.Millisecond, Totals: func() []metrics.FunctionTotals { return []metrics.FunctionTotals{total} }})
	own := wick.MetricPoint{
		Metric: wick.Metric{Account: "111111111111", Region: "eu-west-1", Namespace: "App", Name: "Size", Dimensions: []wick.Dimension{{Name: "Tenant", Value: "t"}}},
		Unit:   "Bytes", Start: time.Unix(60, 0), Period: time.Minute,
	}
	own.Values.Add(3, 2)
	aws := own
	aws.Namespace = metrics.LambdaNamespace
	e.Points([]wick.MetricPoint{own, aws})
	r.until("both", func() bool { return len(r.metrics) >= 3 })
	found := map[string]*metricspb.Metric{}
	for _, m := range r.metrics {
		for _, rm := range m.ResourceMetrics {
			for _, one := range rm.ScopeMetrics[0].Metrics {
				found[rm.ScopeMetrics[0].Scope.Name+"/"+one.Name] = one
			}
		}
	}
	sum := found["github.com/wick-run/wick/faas.invocations"].GetSum()
	if sum == nil || !sum.IsMonotonic || sum.DataPoints[0].GetAsInt() != 3 || sum.AggregationTemporality != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
		t.Errorf("faas.invocations is %v", sum)
	}
	h := found["github.com/wick-run/wick/faas.invoke_duration"].GetHistogram().GetDataPoints()
	if len(h) != 1 || h[0].Count != 4 || *h[0].Sum != 3.044 || fmt.Sprint(h[0].BucketCounts) != "[1 0 2 0 0 0 0 0 0 0 0 1 0 0 0]" {
		t.Errorf("faas.invoke_duration is %v", h)
	}
	if found["github.com/wick-run/wick/faas.init_duration"] != nil {
		t.Error("there is a faas.init_duration of no init")
	}
	size := found["App/Size"]
	p := size.GetHistogram().GetDataPoints()
	if size.Unit != "By" || len(p) != 1 || p[0].Count != 2 || *p[0].Sum != 6 || show(p[0].Attributes) != "Tenant=t" {
		t.Errorf("App/Size is %v", size)
	}
	if len(found) != 8 {
		t.Errorf("%d metrics: %v", len(found), found)
	}
}

func line(n int) wick.Event { return wick.LogLine{Text: fmt.Sprint("line ", n)} }

// sent counts the log records a receiver has; r.mu is held.
func (r *receiver) sent() (n int) {
	for _, data := range r.logs {
		n += len(data.ResourceLogs[0].ScopeLogs[0].LogRecords)
	}
	return n
}

func TestABatchIsTriedAgainWhereThatCanHelp(t *testing.T) {
	r := newReceiver(t, status(503), status(429, "Retry-After", "1"))
	e := open(t, Options{Endpoint: r.URL})
	e.Record(time.Now(), source, line(1))
	r.until("the record", func() bool { return r.sent() == 1 })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, logs, _ := e.Stats(); logs != (Stats{Sent: 1}) {
		t.Errorf("counted %+v", logs)
	}
}

func TestWhatAReceiverRefusesIsDroppedAndCounted(t *testing.T) {
	partial := func(w http.ResponseWriter) {
		inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "too old")
		_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)) // a recorder takes all
	}
	r := newReceiver(t, status(400), partial)
	e := open(t, Options{Endpoint: r.URL})
	e.Record(time.Now(), source, line(1))
	r.until("a refusal", func() bool { return len(r.headers) == 1 })
	for n := range 3 {
		e.Record(time.Now(), source, line(n))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, logs, _ := e.Stats(); logs.Sent+logs.Dropped != 4 || logs.Dropped < 2 {
		t.Errorf("counted %+v", logs)
	}
}

func TestAReceiverThatIsGoneHoldsNothingUp(t *testing.T) {
	r := newReceiver(t)
	r.Server.Close()
	e := open(t, Options{Endpoint: r.URL, MaxWaiting: 100 << 10, CloseTimeout: 200 * time.Millisecond})
	const lines = 5000
	for n := range lines {
		e.Record(time.Now(), source, line(n))
	}
	began := time.Now()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("closing took %s", took)
	}
	if _, logs, _ := e.Stats(); logs != (Stats{Dropped: lines}) {
		t.Errorf("counted %+v", logs)
	}
	e.Record(time.Now(), source, line(0))
	if _, logs, _ := e.Stats(); logs.Dropped != lines+1 {
		t.Errorf("what comes after Close is not counted: %+v", logs)
	}
}

func TestCloseSendsWhatIsWaiting(t *testing.T) {
	r := newReceiver(t)
	e := open(t, Options{Endpoint: r.URL, BatchEvery: time.Hour, MetricsEvery: time.Hour})
	for n := range 5 * maxBatch / 2 {
		e.Record(time.Now(), source, line(n))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := r.sent(); n != 5*maxBatch/2 {
		t.Errorf("%d records were sent", n)
	}
}

func TestAnEndpointIsAURL(t *testing.T) {
	for endpoint, ok := range map[string]bool{"http://127.0.0.1:4318": true, "https://otlp.example/base": true, "127.0.0.1:4318": false, "grpc://h:4317": false, "http://": false, "": false} {
		if err := CheckEndpoint(endpoint, ""); (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func FuzzAnAnswerIsRead(f *testing.F) {
	f.Add([]byte{0x0a, 0x02, 0x08, 0x02})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, _ := partialSuccess(b); n < 0 {
			t.Errorf("%d items rejected", n)
		}
		statusMessage("application/x-protobuf", b)
	})
}

func FuzzADocumentIsRendered(f *testing.F) {
	f.Add([]byte(`{"id":"53995c3f42cd8ad8","trace_id":"1-6b06237e-5240e3df074303a1c195c7b6","name":"x","start_time":1e300,"end_time":-1,"subsegments":[null,{"id":"x"}],"cause":"1"}`))
	e := &Exporter{}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := e.renderSpans([]span{{src: source, segment: &wick.TraceSegment{Document: b}}})
		if _, err := proto.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
