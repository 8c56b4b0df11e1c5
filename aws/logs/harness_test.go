package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/logs"
	"github.com/wick-run/wick/sqlstore"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	testAccount = "111111111111"
	testRegion  = "us-east-1"
)

// harness is the real stack, from the wire to the database, and an SDK client of it.
type harness struct {
	t      testing.TB
	ctx    context.Context
	client *cloudwatchlogs.Client
	logs   *logs.Logs
	store  *sqlstore.Store
	wire   *wiretap
	url    string
	mu     sync.Mutex // guards now
	now    time.Time  // of the API's clock; zero for the system's
}

// newHarness opens it; set changes the API's options.
func newHarness(t testing.TB, set ...func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, ctx: context.Background()}
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store
	if h.logs, err = logs.Open(logs.Options{Store: store, Groups: store, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	options := Options{Logs: h.logs, Groups: store, Now: h.clock, TailEvery: 20 * time.Millisecond}
	for _, f := range set {
		f(&options)
	}
	api := New(options)
	server := httptest.NewServer(protocol.NewServer(protocol.Options{Services: []*protocol.Service{api.Service()}}))
	h.url = server.URL
	transport := &http.Transport{}
	h.wire = &wiretap{next: transport}
	h.client = cloudwatchlogs.New(cloudwatchlogs.Options{
		BaseEndpoint: &server.URL, Region: testRegion, HTTPClient: &http.Client{Transport: h.wire}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: testAccount, SecretAccessKey: "secret"}, nil
		}),
	})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := errors.Join(api.Close(), h.logs.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

// wiretap keeps the last answer as it came.
type wiretap struct {
	next   http.RoundTripper
	mu     sync.Mutex
	status int
	header http.Header
	body   []byte
}

func (w *wiretap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.header, w.body = resp.StatusCode, resp.Header, body
	return resp, nil
}

// must fails the test unless a call worked.
func must[T any](h *harness) func(T, error) T {
	return func(out T, err error) T {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
		return out
	}
}

// group makes a group, with streams.
func (h *harness) group(name string, streams ...string) {
	h.t.Helper()
	must[*cloudwatchlogs.CreateLogGroupOutput](h)(h.client.CreateLogGroup(h.ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}))
	for _, s := range streams {
		must[*cloudwatchlogs.CreateLogStreamOutput](h)(h.client.CreateLogStream(h.ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &name, LogStreamName: &s}))
	}
}
