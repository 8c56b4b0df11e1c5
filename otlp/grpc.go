package otlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The signals' methods. Source: opentelemetry-proto, collector services.
var methods = [signals]string{
	"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	"/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}

// overGRPC carries requests as OTLP over gRPC. A call with one message each way is a
// POST over HTTP/2 whose body is that message behind five bytes, and whose outcome is in
// the trailers: net/http does all of it but the five bytes and the outcome.
// Source: gRPC over HTTP2.
type overGRPC struct {
	endpoint string
	header   http.Header
	client   *http.Client
}

func newGRPC(o *Options) *overGRPC {
	t := newTransport()
	t.Protocols = new(http.Protocols)
	if strings.HasPrefix(o.Endpoint, "https:") {
		t.Proxy = http.ProxyFromEnvironment // through a tunnel; without TLS there is none
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	// All signals share a connection; one that died unnoticed would hold them all up.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: requestTimeout, PingTimeout: requestTimeout}
	h := headerOf(o)
	h.Set("Content-Type", "application/grpc+proto")
	h.Set("Te", "trailers")
	h.Set("Grpc-Encoding", "gzip")
	h.Set("Grpc-Timeout", strconv.Itoa(int(requestTimeout/time.Second))+"S")
	return &overGRPC{o.Endpoint, h, &http.Client{Timeout: requestTimeout, Transport: t, CheckRedirect: stay}}
}

// stay takes a redirection for what it is to gRPC: an answer that isn't one.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (t *overGRPC) close() { t.client.CloseIdleConnections() }

// post implements transport.
func (t *overGRPC) post(ctx context.Context, signal int, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint+methods[signal], bytes.NewReader(frame(body)))
	if err != nil {
		return nil, err
	}
	r.Header = t.header.Clone()
	resp, err := t.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	outcome := resp.Trailer
	if resp.Header.Get(statusName) != "" { // no message: all there is came at once
		outcome = resp.Header
	}
	if outcome.Get(statusName) == "" {
		return nil, notGRPC(resp)
	}
	if no := outcomeOf(outcome); no != nil {
		return nil, no
	}
	return unframe(answer), nil
}

// Where the outcome of a call stands.
const (
	statusName  = "Grpc-Status"
	messageName = "Grpc-Message"
	detailsName = "Grpc-Status-Details-Bin"
)

// compressed is a frame's flag.
const compressed = 1

// frame puts a message that is compressed behind its five bytes: the flag, and the length.
func frame(message []byte) []byte {
	b := make([]byte, 0, len(message)+5)
	b = append(b, compressed)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message))) //nolint:gosec // a batch has 2 MiB
	return append(b, message...)
}

// unframe returns the message of an answer, which was asked for without compression; nil
// when it isn't to be read: what was sent was taken all the same.
func unframe(b []byte) []byte {
	if len(b) < 5 || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) > uint64(len(b)-5) {
		return nil
	}
	return b[5 : 5+binary.BigEndian.Uint32(b[1:])]
}

// codes are the names of gRPC's outcomes. Source: gRPC, status codes.
var codes = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// outcomeOf reads how a call ended; nil is well.
// Source: OTLP specification, OTLP/gRPC, failures: the codes that are retryable.
func outcomeOf(h http.Header) *refusal {
	n, err := strconv.Atoi(h.Get(statusName))
	if err == nil && n == 0 {
		return nil
	}
	no := &refusal{status: "gRPC status " + h.Get(statusName)}
	if err == nil && n > 0 && n < len(codes) {
		no.status = codes[n]
	}
	no.text, _ = url.PathUnescape(h.Get(messageName)) // what can't be read isn't shown
	pause, asked := retryInfo(h.Get(detailsName))
	switch no.status {
	case "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS":
		no.again = true
	case "RESOURCE_EXHAUSTED": // which is for good unless the receiver says when to come back
		no.again = asked
	}
	no.after = pause
	return no
}

// notGRPC is what an answer without an outcome says: a proxy's, or of a server that
// speaks something else.
// Source: gRPC, HTTP to gRPC status code mapping.
func notGRPC(resp *http.Response) error {
	no := &refusal{status: resp.Status, text: "which is no answer of gRPC; is it a receiver for OTLP over HTTP?"}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		no.again = true
		no.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	case http.StatusOK:
		no.status, no.text, no.again = "nothing of how it went", "", true // cut off on its way
	}
	return no
}

// retryInfo finds in an outcome's details when to try again: a google.rpc.Status, whose
// third member lists messages with their types, of which one is a RetryInfo with a
// Duration in it.
func retryInfo(header string) (after time.Duration, ok bool) {
	status, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(header, "="))
	if err != nil {
		return 0, false
	}
	eachField(status, func(number protowire.Number, _ uint64, detail []byte) {
		if number != 3 {
			return
		}
		var typ string
		var value []byte
		eachField(detail, func(number protowire.Number, _ uint64, b []byte) {
			switch number {
			case 1:
				typ = string(b)
			case 2:
				value = b
			}
		})
		if !strings.HasSuffix(typ, "/google.rpc.RetryInfo") {
			return
		}
		ok = true
		eachField(value, func(number protowire.Number, _ uint64, b []byte) {
			if number == 1 {
				after = duration(b)
			}
		})
	})
	return after, ok
}

// duration reads a google.protobuf.Duration: seconds and nanoseconds. What is longer than
// an hour is cut to that, what is negative to nothing.
func duration(b []byte) time.Duration {
	var seconds, nanos int64
	eachField(b, func(number protowire.Number, v uint64, _ []byte) {
		switch number {
		case 1:
			seconds = int64(v) //nolint:gosec // two's complement is how it is sent
		case 2:
			nanos = int64(v) //nolint:gosec // likewise
		}
	})
	const most = int64(time.Hour / time.Second)
	seconds, nanos = min(max(seconds, 0), most), min(max(nanos, 0), 999_999_999)
	return min(time.Duration(seconds)*time.Second+time.Duration(nanos), time.Hour)
}
