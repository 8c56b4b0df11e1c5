package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The paths of the signals. Source: OTLP specification, OTLP/HTTP request.
var paths = [signals]string{"/v1/traces", "/v1/logs", "/v1/metrics"}

// overHTTP carries requests as OTLP over HTTP.
type overHTTP struct {
	endpoint string
	header   http.Header
	client   *http.Client
}

func newHTTP(o *Options) *overHTTP {
	t := newTransport()
	t.Proxy = http.ProxyFromEnvironment
	h := headerOf(o)
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("Content-Encoding", "gzip")
	return &overHTTP{o.Endpoint, h, &http.Client{Timeout: requestTimeout, Transport: t}}
}

// newTransport returns what both protocols have in common.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: signals,
	}
}

// headerOf returns the headers that an operator wants with every request.
func headerOf(o *Options) http.Header {
	h := http.Header{}
	for name, value := range o.Headers {
		h.Set(name, value)
	}
	h.Set("User-Agent", "wick/"+o.Version)
	return h
}

func (t *overHTTP) close() { t.client.CloseIdleConnections() }

// post implements transport.
// Source: OTLP specification, OTLP/HTTP response, retryable response codes.
func (t *overHTTP) post(ctx context.Context, signal int, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint+paths[signal], bytes.NewReader(body))
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
	if resp.StatusCode/100 == 2 {
		return answer, nil
	}
	no := &refusal{status: resp.Status, text: statusMessage(resp.Header.Get("Content-Type"), answer)}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		no.again = true
		no.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return nil, no
}

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, time.Hour)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), time.Hour)
	}
	return 0
}

// statusMessage reads the text of an error's answer, which is a google.rpc.Status.
func statusMessage(contentType string, answer []byte) string {
	if contentType != "application/x-protobuf" {
		return fmt.Sprintf("%.200q", answer)
	}
	text := ""
	eachField(answer, func(number protowire.Number, _ uint64, b []byte) {
		if number == 2 {
			text = string(b)
		}
	})
	return text
}
