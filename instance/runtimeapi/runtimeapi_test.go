package runtimeapi

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a Runtime that notes what it is told and answers polls as told.
type recorder struct {
	mu        sync.Mutex
	responses []Response
	failures  []Failure
	inits     []Failure
	refuse    *Refusal
	next      chan *Conn
	assign    chan *Conn
	gone      chan *Conn
}

func newRecorder() *recorder {
	return &recorder{next: make(chan *Conn, 8), assign: make(chan *Conn, 8), gone: make(chan *Conn, 8)}
}

func (r *recorder) Next(c *Conn)   { r.next <- c }
func (r *recorder) Assign(c *Conn) { r.assign <- c }
func (r *recorder) Gone(c *Conn)   { r.gone <- c }
func (r *recorder) Respond(_ string, p Response) *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.responses = append(r.responses, p)
	return r.refuse
}

func (r *recorder) Fail(_ string, f Failure) *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, f)
	return r.refuse
}

func (r *recorder) FailInit(f Failure) *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inits = append(r.inits, f)
	return r.refuse
}

// talk serves one connection and returns the client's end of it.
func talk(t *testing.T, rt Runtime, private bool) (net.Conn, *bufio.Reader) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	var conns Conns
	conns.Go(server, rt, private)
	t.Cleanup(func() {
		_ = client.Close()
		conns.Close()
	})
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return client, bufio.NewReader(client)
}

func send(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func post(path, headers, body string) string {
	return fmt.Sprintf("POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)
}

const pollNext = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"

func TestAPollIsAnsweredWithTheEventAndWhatBelongsToIt(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, false)
	send(t, c, pollNext)
	parked := <-rt.next
	event := &Event{
		RequestID: "8476a536-e9f4-11e8-9739-2dfe598c3fcd", DeadlineMs: 1542409706888,
		InvokedARN: "arn:aws:lambda:us-east-2:123456789012:function:f", Trace: "Root=1-a;Parent=b;Sampled=1",
		ClientContext: `{"client":{}}`, Payload: []byte(`{"a":1}`),
	}
	if err := parked.SendEvent(event); err != nil {
		t.Fatal(err)
	}
	resp, body := answer(t, r)
	if resp.StatusCode != 200 || body != `{"a":1}` {
		t.Errorf("answered %d %q", resp.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       event.RequestID,
		"Lambda-Runtime-Deadline-Ms":          "1542409706888",
		"Lambda-Runtime-Invoked-Function-Arn": event.InvokedARN,
		"Lambda-Runtime-Trace-Id":             event.Trace,
		"Lambda-Runtime-Client-Context":       event.ClientContext,
		"Content-Type":                        "application/json",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, ok := resp.Header["Lambda-Runtime-Cognito-Identity"]; ok {
		t.Error("a header was sent for an identity the event doesn't have")
	}
}

func TestAResponseAndThePollBehindItAreAnsweredTogether(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, true)
	send(t, c, post("invocation/1/response", "", `"hi"`)+pollNext)
	parked := <-rt.next
	if err := parked.SendEvent(&Event{RequestID: "2", Payload: []byte("null")}); err != nil {
		t.Fatal(err)
	}
	first, body := answer(t, r)
	if first.StatusCode != 202 || body != `{"status":"OK"}` {
		t.Errorf("the response was answered with %d %s", first.StatusCode, body)
	}
	second, _ := answer(t, r)
	if second.Header.Get("Lambda-Runtime-Aws-Request-Id") != "2" {
		t.Error("the poll's answer isn't the event")
	}
	if string(rt.responses[0].Body) != `"hi"` {
		t.Errorf("the response arrived as %q", rt.responses[0].Body)
	}
}

func TestCallsAreAnsweredAsTheirStateAllows(t *testing.T) {
	big := strings.Repeat("x", MaxResponseBytes+1)
	for name, c := range map[string]struct {
		request string
		refuse  *Refusal
		status  int
		body    string
	}{
		"a response":             {post("invocation/1/response", "", "{}"), nil, 202, `{"status":"OK"}`},
		"an error":               {post("invocation/1/error", "Lambda-Runtime-Function-Error-Type: E\r\n", "{}"), nil, 202, `{"status":"OK"}`},
		"an init error":          {post("init/error", "", "{}"), nil, 202, `{"status":"OK"}`},
		"another's id":           {post("invocation/1/response", "", "{}"), InvalidRequestID, 400, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`},
		"a second response":      {post("invocation/1/response", "", "{}"), InvalidTransition(StateResponseSent, "InvocationResponse"), 403, "InvalidStateTransition"},
		"a response too large":   {post("invocation/1/response", "", big), nil, 413, "RequestEntityTooLarge"},
		"next by POST":           {"POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nContent-Length: 0\r\n\r\n", nil, 405, ""},
		"a response by GET":      {"GET /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\n\r\n", nil, 405, ""},
		"an unknown path":        {"GET /nothing HTTP/1.1\r\n\r\n", nil, 404, "404"},
		"an assignment, openly":  {"GET /wick/assign HTTP/1.1\r\n\r\n", nil, 404, "404"},
		"no HTTP":                {"HELLO\r\n\r\n", nil, 400, ""},
		"a header without colon": {"GET / HTTP/1.1\r\nbad\r\n\r\n", nil, 400, ""},
		"a negative length":      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", nil, 400, ""},
		"a head without end":     {"GET / HTTP/1.1\r\nA: " + strings.Repeat("x", maxHeadBytes+100), nil, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newRecorder()
			rt.refuse = c.refuse
			conn, r := talk(t, rt, false)
			go func() { _, _ = io.WriteString(conn, c.request) }() // the server may hang up on it
			resp, body := answer(t, r)
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("answered %d %q, want %d %q", resp.StatusCode, body, c.status, c.body)
			}
		})
	}
}

func TestAStreamedResponseArrivesWithItsTrailers(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, false)
	errorBody := base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"late"}`))
	send(t, c, "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"+
		"Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n"+
		"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nLambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: "+errorBody+"\r\n\r\n")
	if resp, _ := answer(t, r); resp.StatusCode != 202 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	got := rt.responses[0]
	if string(got.Body) != "abcdefg" || !got.Streaming || got.ErrorType != "Late" || string(got.ErrorBody) != `{"errorMessage":"late"}` {
		t.Errorf("arrived as %+v", got)
	}
}

func TestABodyIsAskedForWhenTheClientWaitsForThat(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, false)
	send(t, c, "POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("before the body came %q, %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	send(t, c, "{}")
	if resp, _ := answer(t, r); resp.StatusCode != 202 {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestABootstrapOfOursIsToldItsFunction(t *testing.T) {
	rt := newRecorder()
	c, r := talk(t, rt, true)
	send(t, c, "GET /wick/assign HTTP/1.1\r\n\r\n")
	if err := (<-rt.assign).SendAssignment([]byte(`{"env":{}}`)); err != nil {
		t.Fatal(err)
	}
	if resp, body := answer(t, r); resp.StatusCode != 200 || body != `{"env":{}}` {
		t.Errorf("told %d %q", resp.StatusCode, body)
	}
}

func TestAConnectionThatEndsIsSaidToBeGone(t *testing.T) {
	rt := newRecorder()
	c, _ := talk(t, rt, false)
	send(t, c, pollNext)
	parked := <-rt.next
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if gone := <-rt.gone; gone != parked {
		t.Error("another connection was said to be gone")
	}
}

func TestWhatADeadClientHadWrittenIsStillServed(t *testing.T) {
	rt := newRecorder()
	server, client := net.Pipe()
	var conns Conns
	conns.Go(server, rt, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(client, post("invocation/1/response", "", "{}"))
		_, _ = client.Read(make([]byte, 1024))
		_ = client.Close()
	}()
	<-done
	conns.Settle(10 * time.Second)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if len(rt.responses) != 1 {
		t.Errorf("%d responses were served, want 1", len(rt.responses))
	}
}

func FuzzRequests(f *testing.F) {
	f.Add([]byte(pollNext))
	f.Add([]byte(post("invocation/1/response", "", "{}") + pollNext))
	f.Add([]byte("POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		server, client := net.Pipe()
		var conns Conns
		conns.Go(server, &quiet{}, true)
		go func() { _, _ = io.Copy(io.Discard, client) }()
		_, _ = client.Write(data)
		_ = client.Close()
		conns.Settle(10 * time.Second) // a server that hangs on its input fails here
		conns.Close()
	})
}

// quiet accepts everything and answers no poll.
type quiet struct{}

func (quiet) Next(*Conn)                        {}
func (quiet) Assign(*Conn)                      {}
func (quiet) Gone(*Conn)                        {}
func (quiet) Respond(string, Response) *Refusal { return nil }
func (quiet) Fail(string, Failure) *Refusal     { return nil }
func (quiet) FailInit(Failure) *Refusal         { return nil }

func BenchmarkRoundTrip(b *testing.B) {
	rt := newRecorder()
	server, client := net.Pipe()
	var conns Conns
	conns.Go(server, rt, true)
	defer conns.Close()
	request := []byte(post("invocation/1/response", "", `{"ok":true}`) + pollNext)
	event := &Event{RequestID: "8476a536-e9f4-11e8-9739-2dfe598c3fcd", Payload: bytes.Repeat([]byte("1"), 100)}
	go func() { _, _ = io.Copy(io.Discard, client) }()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
		if err := (<-rt.next).SendEvent(event); err != nil {
			b.Fatal(err)
		}
		rt.mu.Lock()
		rt.responses = rt.responses[:0]
		rt.mu.Unlock()
	}
}
