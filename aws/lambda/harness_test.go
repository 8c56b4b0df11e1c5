package lambda

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/code"
	"github.com/wick-run/wick/control"
	"github.com/wick-run/wick/internal/testkit"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/invoke"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	testAccount = "111111111111"
	testRegion  = "us-east-1"
	testRole    = "arn:aws:iam::111111111111:role/lambda-role"
	arnPrefix   = "arn:aws:lambda:us-east-1:111111111111:function:"
)

// harness is the real stack, from the wire to the package store, with functions in
// memory and an invoker of the test's own; and an SDK client of it.
type harness struct {
	t       testing.TB
	ctx     context.Context
	url     string
	handler http.Handler
	client  *lambda.Client
	api     *API
	control *control.Control
	code    *gated
	s3      *fakeS3
	wire    *wiretap
}

// newHarness starts a stack; invoker may be nil.
func newHarness(t testing.TB, invoker Invoker) *harness {
	t.Helper()
	h := &harness{t: t, ctx: context.Background(), s3: newFakeS3(t)}
	store, err := code.Open(t.TempDir(), code.Options{S3: code.NewS3(h.s3.url, testRegion, "key", "secret")})
	if err != nil {
		t.Fatal(err)
	}
	h.code = &gated{Store: store}
	functions := new(testkit.MemStore)
	h.control = control.New(control.Options{Store: functions, Layers: functions, Code: h.code, Architecture: "x86_64"})
	if invoker == nil {
		invoker = resolver{h.control}
	}
	h.api = New(Options{Control: h.control, Invoker: invoker, Code: store})
	h.handler = h.api.Handler(protocol.NewServer(protocol.Options{Services: []*protocol.Service{h.api.Service()}}))
	server := httptest.NewServer(h.handler)
	h.url = server.URL
	transport := &http.Transport{}
	h.wire = &wiretap{next: transport}
	h.client = lambda.New(lambda.Options{
		BaseEndpoint: &server.URL, Region: testRegion, HTTPClient: &http.Client{Transport: h.wire}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: testAccount, SecretAccessKey: "secret"}, nil
		}),
	})
	t.Cleanup(func() {
		h.code.open()
		transport.CloseIdleConnections()
		server.Close()
		if err := errors.Join(h.control.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// create makes a function from the defaults and waits until it is active.
func (h *harness) create(name string, change func(*lambda.CreateFunctionInput)) {
	h.t.Helper()
	if _, err := h.client.CreateFunction(h.ctx, h.createInput(name, change)); err != nil {
		h.t.Fatal(err)
	}
	h.waitActive(name)
}

func (h *harness) waitActive(name string) {
	h.t.Helper()
	w := lambda.NewFunctionActiveV2Waiter(h.client, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
	})
	if err := w.Wait(h.ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) waitUpdated(name string) {
	h.t.Helper()
	w := lambda.NewFunctionUpdatedV2Waiter(h.client, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
	})
	if err := w.Wait(h.ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err != nil {
		h.t.Fatal(err)
	}
}

// resolver is an Invoker that finds the function and answers null.
type resolver struct{ control *control.Control }

func (r resolver) Invoke(ctx context.Context, req *invoke.Request) (*invoke.Result, error) {
	f, err := r.control.Resolve(ctx, req.Function, req.Qualifier)
	if err != nil {
		return nil, err
	}
	return answered(f.Version, "null"), nil
}

// Start implements Invoker.
func (r resolver) Start(ctx context.Context, req *invoke.Request, done func(*invoke.Result, error)) {
	done(r.Invoke(ctx, req))
}

func answered(version, body string) *invoke.Result {
	return &invoke.Result{ExecutedVersion: version, Payload: io.NopCloser(strings.NewReader(body)), Size: int64(len(body))}
}

// gated is a package store whose preparing in the background a test can hold up.
type gated struct {
	*code.Store
	mu   sync.Mutex
	gate chan struct{}
}

// Dir lets requests pass: their context is the HTTP server's.
func (g *gated) Dir(ctx context.Context, sha string) (string, error) {
	g.mu.Lock()
	gate := g.gate
	g.mu.Unlock()
	if gate != nil && ctx.Value(http.ServerContextKey) == nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return g.Store.Dir(ctx, sha)
}

func (g *gated) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate = make(chan struct{})
}

func (g *gated) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gate != nil {
		close(g.gate)
		g.gate = nil
	}
}

// wiretap keeps the last answer as it came.
type wiretap struct {
	next http.RoundTripper
	mu   sync.Mutex
	last wireAnswer
}

type wireAnswer struct {
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
	w.last = wireAnswer{resp.StatusCode, resp.Header, body}
	return resp, nil
}

func (w *wiretap) answer() wireAnswer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// fakeS3 is as much of S3 as packages are fetched from.
type fakeS3 struct {
	url     string
	objects map[string][]byte // by bucket/key
	buckets map[string]bool
}

func newFakeS3(t testing.TB) *fakeS3 {
	s := &fakeS3{objects: map[string][]byte{}, buckets: map[string]bool{"bucket": true}}
	server := httptest.NewServer(s)
	s.url = server.URL
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:errcheck,forcetypeassert // it is one
		server.Close()
	})
	return s
}

func (s *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	bucket, _, _ := strings.Cut(name, "/")
	object, ok := s.objects[name]
	if v := r.URL.Query().Get("versionId"); v != "" {
		object, ok = s.objects[name+"@"+v]
	}
	type s3Error struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	var problem s3Error
	switch {
	case ok:
		w.Write(object) //nolint:errcheck // a test's
		return
	case s.buckets[bucket]:
		problem = s3Error{Code: "NoSuchKey", Message: "The specified key does not exist."}
	default:
		problem = s3Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist"}
	}
	w.WriteHeader(http.StatusNotFound)
	xml.NewEncoder(w).Encode(problem) //nolint:errcheck // a test's
}

// handlerZip returns a package with one file.
func handlerZip(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("index.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zerosZip returns a package whose files are zeros and together of a size. Files of a
// mebibyte share their compressed bytes, so that it is made quickly.
func zerosZip(t testing.TB, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	made := map[int][]byte{}
	for i := 0; size > 0; i++ {
		n := min(size, 1<<20)
		size -= n
		if made[n] == nil {
			var z bytes.Buffer
			f, err := flate.NewWriter(&z, flate.BestSpeed)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			made[n] = z.Bytes()
		}
		out, err := w.CreateRaw(&zip.FileHeader{
			Name: fmt.Sprint("zeros/", i), Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(make([]byte, n)),
			CompressedSize64: uint64(len(made[n])), UncompressedSize64: uint64(n),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(made[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
