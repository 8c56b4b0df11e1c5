package otlp

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wick-run/wick"
)

// newGRPCReceiver is newReceiver for gRPC: HTTP/2 without TLS.
func newGRPCReceiver(t *testing.T, answers ...func(http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{t: t, answers: answers, changed: make(chan struct{}, 1)}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.Protocols = new(http.Protocols)
	r.Config.Protocols.SetUnencryptedHTTP2(true)
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// checkCall takes the five bytes before a call's message off its body.
func (r *receiver) checkCall(q *http.Request) {
	var head [5]byte
	if _, err := io.ReadFull(q.Body, head[:]); err != nil {
		r.t.Error(err)
	}
	if q.ProtoMajor != 2 || q.Method != http.MethodPost || q.Header.Get("Te") != "trailers" || q.Header.Get("Grpc-Encoding") != "gzip" || q.Header.Get("Grpc-Timeout") == "" {
		r.t.Errorf("called by %s %s with %v", q.Proto, q.Method, q.Header)
	}
	if head[0] != 1 || int64(binary.BigEndian.Uint32(head[1:]))+5 != q.ContentLength {
		r.t.Errorf("the frame of %d bytes begins with %x", q.ContentLength, head)
	}
}

// answerCall answers with a message, or with none, and an outcome in the trailers.
func answerCall(w http.ResponseWriter, code int, message []byte, trailer ...string) {
	w.Header().Set("Content-Type", "application/grpc+proto")
	if code == 0 {
		b := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
		_, _ = w.Write(append(b, message...)) // when the client goes, the test fails elsewhere
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(code))
	for i := 0; i+1 < len(trailer); i += 2 {
		w.Header().Set(http.TrailerPrefix+trailer[i], trailer[i+1])
	}
}

// outcome answers with an outcome that isn't well.
func outcome(code int, trailer ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { answerCall(w, code, nil, trailer...) }
}

// comeBack renders the details of an outcome that say when to try again.
func comeBack(d time.Duration) string {
	field := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	var span []byte
	span = protowire.AppendVarint(protowire.AppendTag(span, 1, protowire.VarintType), uint64(d/time.Second))
	span = protowire.AppendVarint(protowire.AppendTag(span, 2, protowire.VarintType), uint64(d%time.Second))
	detail := field(field(nil, 1, []byte("type.googleapis.com/google.rpc.RetryInfo")), 2, field(nil, 1, span))
	return base64.RawStdEncoding.EncodeToString(field(field(nil, 2, []byte("busy")), 3, detail))
}

func TestAllSignalsGoOverGRPC(t *testing.T) {
	r := newGRPCReceiver(t)
	e := open(t, Options{Endpoint: r.URL, Protocol: GRPC, Headers: map[string]string{"Api-Key": "k"}})
	e.Segment(nil, &wick.TraceSegment{Document: []byte(`{"id":"` + segment + `","trace_id":"` + trace + `","name":"orders","start_time":1,"end_time":2}`)})
	e.Record(time.Now(), source, line(1))
	point := wick.MetricPoint{Metric: wick.Metric{Namespace: "App", Name: "Size"}, Unit: "Bytes", Start: time.Unix(60, 0), Period: time.Minute}
	point.Values.Add(3, 2)
	e.Points([]wick.MetricPoint{point})
	r.until("a span and a record", func() bool { return len(r.traces) == 1 && r.sent() == 1 })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r.until("a metric", func() bool { return len(r.metrics) == 1 })
	if id := r.traces[0].ResourceSpans[0].ScopeSpans[0].Spans[0].SpanId; hex.EncodeToString(id) != segment {
		t.Errorf("the span is %x", id)
	}
	for _, h := range r.headers {
		if h.Get("Api-Key") != "k" || h.Get("User-Agent") != "wick/1.2.3" {
			t.Errorf("sent with %v", h)
		}
	}
	if spans, logs, values := e.Stats(); spans.Sent != 1 || logs.Sent != 1 || values.Sent != 1 {
		t.Errorf("counted %+v, %+v, %+v", spans, logs, values)
	}
}

func TestCallsGoOverTLS(t *testing.T) {
	r := &receiver{t: t, changed: make(chan struct{}, 1)}
	r.Server = httptest.NewUnstartedServer(r)
	r.EnableHTTP2 = true
	r.StartTLS()
	t.Cleanup(r.Close)
	e := open(t, Options{Endpoint: r.URL, Protocol: GRPC})
	// The test's authority is trusted before anything is sent.
	trusted := r.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	e.transport.(*overGRPC).client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trusted}
	e.Record(time.Now(), source, line(1))
	r.until("the record", func() bool { return r.sent() == 1 })
}

func TestACallIsMadeAgainWhereThatCanHelp(t *testing.T) {
	pause := 700 * time.Millisecond
	r := newGRPCReceiver(t, outcome(14), status(503), outcome(8, "Grpc-Status-Details-Bin", comeBack(pause)))
	e := open(t, Options{Endpoint: r.URL, Protocol: GRPC})
	began := time.Now()
	e.Record(began, source, line(1))
	r.until("the record", func() bool { return r.sent() == 1 })
	if took := time.Since(began); took < pause {
		t.Errorf("the receiver's pause of %s was not kept to: %s", pause, took)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, logs, _ := e.Stats(); logs != (Stats{Sent: 1}) || len(r.headers) != 4 {
		t.Errorf("counted %+v after %d calls", logs, len(r.headers))
	}
}

func TestWhatACallIsRefusedIsDropped(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"for its content":       outcome(3, "Grpc-Message", "no%20such%20thing"),
		"for good":              outcome(8),
		"without a known code":  outcome(99),
		"by what isn't gRPC":    status(404),
		"by a redirection":      status(302, "Location", "/elsewhere"),
		"in a part":             func(w http.ResponseWriter) { answerCall(w, 0, []byte{0x0a, 0x02, 0x08, 0x01}) },
		"in more than was sent": func(w http.ResponseWriter) { answerCall(w, 0, []byte{0x0a, 0x02, 0x08, 0x70}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newGRPCReceiver(t, answer)
			e := open(t, Options{Endpoint: r.URL, Protocol: GRPC})
			e.Record(time.Now(), source, line(1))
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if _, logs, _ := e.Stats(); logs != (Stats{Dropped: 1}) || len(r.headers) != 1 {
				t.Errorf("counted %+v after %d calls", logs, len(r.headers))
			}
		})
	}
}

func TestAServerThatSpeaksHTTP1OnlyIsNoReceiverForGRPC(t *testing.T) {
	r := httptest.NewServer(http.NotFoundHandler())
	defer r.Close()
	e := open(t, Options{Endpoint: r.URL, Protocol: GRPC, RetryFor: time.Nanosecond})
	e.Record(time.Now(), source, line(1))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, logs, _ := e.Stats(); logs != (Stats{Dropped: 1}) {
		t.Errorf("counted %+v", logs)
	}
}

func TestTheProtocolIsChosen(t *testing.T) {
	for _, c := range []struct{ endpoint, protocol, want string }{
		{"http://127.0.0.1:4317", "", GRPC}, {"https://h:4317/", "", GRPC}, {"http://127.0.0.1:4318", "", HTTP}, {"https://h", "", HTTP},
		{"http://127.0.0.1:4317", HTTP, HTTP}, {"http://h:1", GRPC, GRPC}, {"http://h:1/base", GRPC, ""}, {"http://h", "http/json", ""}, {"grpc://h:4317", "", ""},
	} {
		if got, err := choose(c.endpoint, c.protocol); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s with %q is %q, %v", c.endpoint, c.protocol, got, err)
		}
	}
}

func TestAnOutcomeSaysWhenToTryAgain(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{comeBack(1500 * time.Millisecond), "1.5s true"}, {comeBack(0), "0s true"}, {comeBack(100 * time.Hour), "1h0m0s true"},
		{comeBack(2*time.Second) + "==", "2s true"}, {"", "0s false"}, {"CAE=", "0s false"}, {"?", "0s false"},
	} {
		after, ok := retryInfo(c.header)
		if got := fmt.Sprint(after, ok); got != c.want {
			t.Errorf("%s says %s, want %s", c.header, got, c.want)
		}
	}
}

func FuzzACallsAnswerIsRead(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 4, 0x0a, 0x02, 0x08, 0x02}, "8", comeBack(time.Second))
	f.Fuzz(func(t *testing.T, body []byte, code, details string) {
		if n, _ := partialSuccess(unframe(body)); n < 0 {
			t.Errorf("%d items rejected", n)
		}
		no := outcomeOf(http.Header{statusName: {code}, messageName: {details}, detailsName: {details}})
		if no != nil && (no.after < 0 || no.after > time.Hour || no.Error() == "") {
			t.Errorf("%+v", no)
		}
	})
}
