package runner

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/wick-run/wick/instance/runtimeapi"
)

// ListenPlain serves the Runtime API as its description has it, with net/http alone: no
// code of Wick's is in its way, so that what a client does with Wick's can be told from
// what it does. Source: Lambda developer guide, Using the Lambda runtime API.
func (p *Process) ListenPlain() {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener = ln
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", p.plainNext)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		p.plainPost(w, r, func(body []byte) Outcome {
			return Outcome{OK: true, Response: runtimeapi.Response{
				ContentType: r.Header.Get("Content-Type"), Body: body,
				Streaming: strings.EqualFold(r.Header.Get("Lambda-Runtime-Function-Response-Mode"), "streaming"),
				ErrorType: r.Trailer.Get("Lambda-Runtime-Function-Error-Type"), ErrorBody: fromBase64(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")),
			}}
		})
	})
	failure := func(initial bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			p.plainPost(w, r, func(body []byte) Outcome {
				kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
				if kind == "" {
					kind = "Runtime.Unknown"
				}
				return Outcome{Init: initial, Failure: runtimeapi.Failure{
					Type: kind, Body: body,
					XRayCause: r.Header.Get("Lambda-Runtime-Function-XRay-Error-Cause"),
				}}
			})
		}
	}
	mux.HandleFunc("POST "+base+"invocation/{id}/error", failure(false))
	mux.HandleFunc("POST "+base+"init/error", failure(true))
	server := &http.Server{Handler: mux} //nolint:gosec // its one client is the process
	p.t.Cleanup(func() { _ = server.Close() })
	go func() {
		if err := server.Serve(ln); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
}

// plainPoll is a call of next on the plain API.
type plainPoll struct {
	events chan *runtimeapi.Event
	gone   <-chan struct{}
}

// SendEvent answers the call, or says that its connection has ended.
func (c plainPoll) SendEvent(e *runtimeapi.Event) error {
	select {
	case c.events <- e:
		return nil
	case <-c.gone:
		return net.ErrClosed
	}
}

func (p *Process) plainNext(w http.ResponseWriter, r *http.Request) {
	poll := plainPoll{make(chan *runtimeapi.Event), r.Context().Done()}
	p.Polls <- poll
	var e *runtimeapi.Event
	select {
	case e = <-poll.events:
	case <-poll.gone:
		return
	}
	h := w.Header()
	for name, value := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": e.RequestID, "Lambda-Runtime-Deadline-Ms": strconv.FormatInt(e.DeadlineMs, 10),
		"Lambda-Runtime-Invoked-Function-Arn": e.InvokedARN, "Lambda-Runtime-Client-Context": e.ClientContext,
		"Lambda-Runtime-Cognito-Identity": e.CognitoIdentity, "Lambda-Runtime-Trace-Id": e.Trace,
		"Lambda-Runtime-Aws-Tenant-Id": e.TenantID, "Content-Type": "application/json",
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	_, _ = w.Write(e.Payload) // a client that is gone has its exit seen
}

// plainPost reads what is posted, the trailers too, and accepts it.
func (p *Process) plainPost(w http.ResponseWriter, r *http.Request, outcome func([]byte) Outcome) {
	const limit = 6*1024*1024 + 100
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if len(body) > limit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		p.Outcomes <- Outcome{OK: true, Response: runtimeapi.Response{TooLarge: true}}
		fmt.Fprintf(w, `{"errorMessage":"Exceeded maximum allowed payload size (%d bytes).","errorType":"RequestEntityTooLarge"}`, limit)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status":"OK"}` + "\n")) // as above
	p.Outcomes <- outcome(body)
}

func fromBase64(s string) []byte {
	decoded, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return []byte(s)
	}
	return decoded
}
