package runtimeapi

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// MaxResponseBytes is the largest response body a runtime may post: 6 MiB and the
// allowance Lambda grants on top. Source: Lambda quotas, invocation payload.
const MaxResponseBytes = 6*1024*1024 + 100

// Runtime is the instance's side of the API. Its methods are called from the
// connections' goroutines, several at once.
type Runtime interface {
	// Next parks a poll for an event: the instance answers it with Conn.SendEvent,
	// now or later.
	Next(c *Conn)
	// Assign parks a booted runtime's question which function it is to serve.
	Assign(c *Conn)
	// Respond ends an invocation with a response, Fail with an error.
	Respond(requestID string, r Response) *Refusal
	Fail(requestID string, f Failure) *Refusal
	// FailInit ends the runtime's init as failed.
	FailInit(f Failure) *Refusal
	// Gone says that a connection has ended; a poll it had parked is void.
	Gone(c *Conn)
}

// Response is a posted response.
type Response struct {
	Body        []byte
	ContentType string
	Streaming   bool
	// TooLarge: more than MaxResponseBytes were posted; Body is empty.
	TooLarge bool
	// Polling: behind it the client's next poll is arriving already.
	Polling bool
	// ErrorType and ErrorBody are the trailers of a stream that failed in the middle.
	ErrorType string
	ErrorBody []byte
}

// Failure is a posted error.
type Failure struct {
	Type      string // Lambda-Runtime-Function-Error-Type
	Body      []byte // the error object, for the invoker as it is
	XRayCause string
	Polling   bool // behind it the client's next poll is arriving already
	TooLarge  bool // more than MaxResponseBytes were posted; Body is empty
}

// Refusal is a call that the runtime's state doesn't allow.
type Refusal struct {
	Status    int
	ErrorType string
	Message   string
}

// Refusals the API knows.
var (
	InvalidRequestID = &Refusal{http.StatusBadRequest, "InvalidRequestID", "Invalid request ID"}
	tooLarge         = &Refusal{
		http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
		"Exceeded maximum allowed payload size (6291556 bytes).",
	}
)

// States of a runtime, as refusals name them. Source: the official emulator.
const (
	StateReady        = "Ready"
	StateRunning      = "Running"
	StateResponseSent = "RuntimeResponseSentState"
)

// InvalidTransition is the refusal of a call that comes in the wrong state.
func InvalidTransition(from, to string) *Refusal {
	return &Refusal{
		http.StatusForbidden, "InvalidStateTransition",
		"State transition from " + from + " to " + to + " failed for runtime. Error: State transition is not allowed",
	}
}

// acceptPause is how long taking connections rests when the server itself is short of
// something, such as descriptors.
const acceptPause = 50 * time.Millisecond

// Serve answers the connections of a listener until it is closed, and then returns;
// the connections are conns's.
func Serve(ln net.Listener, rt Runtime, conns *Conns) {
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		conns.Go(nc, rt, false)
	}
}

const (
	prefix     = "/2018-06-01/runtime/"
	invocation = prefix + "invocation/"
)

// route answers one request; it returns an error when the connection is of no more use.
func (c *Conn) route(q *request) error {
	path, _, _ := strings.Cut(q.target, "?")
	switch {
	case path == invocation+"next":
		if q.method != http.MethodGet {
			return c.methodNotAllowed(q)
		}
		if err := c.discardBody(q); err != nil {
			return err
		}
		c.park(q)
		c.rt.Next(c)
		return nil
	case path == "/wick/assign" && c.private:
		if err := c.discardBody(q); err != nil {
			return err
		}
		c.park(q)
		c.rt.Assign(c)
		return nil
	case path == prefix+"init/error":
		if q.method != http.MethodPost {
			return c.methodNotAllowed(q)
		}
		f, err := c.readFailure(q)
		if err != nil {
			return err
		}
		return c.accept(q, c.rt.FailInit(f))
	case strings.HasPrefix(path, invocation):
		id, verb, _ := strings.Cut(path[len(invocation):], "/")
		if q.method != http.MethodPost && (verb == "response" || verb == "error") {
			return c.methodNotAllowed(q)
		}
		switch verb {
		case "response":
			r, err := c.readResponse(q)
			if err != nil {
				return err
			}
			refusal := c.rt.Respond(id, r)
			if refusal == nil && r.TooLarge {
				refusal = tooLarge
			}
			return c.accept(q, refusal)
		case "error":
			f, err := c.readFailure(q)
			if err != nil {
				return err
			}
			return c.accept(q, c.rt.Fail(id, f))
		}
	}
	if err := c.discardBody(q); err != nil {
		return err
	}
	return c.answer(q, http.StatusNotFound, []byte("404 page not found\n"), "text/plain; charset=utf-8")
}

// accept answers a POST: 202, or the refusal.
func (c *Conn) accept(q *request, refusal *Refusal) error {
	if refusal == nil {
		return c.answerAccepted(q)
	}
	body, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{refusal.Message, refusal.ErrorType})
	if err != nil {
		return err
	}
	return c.answer(q, refusal.Status, body, "application/json")
}

func (c *Conn) methodNotAllowed(q *request) error {
	if err := c.discardBody(q); err != nil {
		return err
	}
	return c.answer(q, http.StatusMethodNotAllowed, nil, "")
}

func (c *Conn) readResponse(q *request) (Response, error) {
	body, over, err := c.readBody(q, MaxResponseBytes)
	if err != nil {
		return Response{}, err
	}
	r := Response{Body: body, TooLarge: over, ContentType: q.contentType, Streaming: q.streaming, Polling: c.polling(q)}
	if q.trailerErrorType != "" {
		r.ErrorType = q.trailerErrorType
		r.ErrorBody = decodeErrorBody(q.trailerErrorBody)
	}
	return r, nil
}

func (c *Conn) readFailure(q *request) (Failure, error) {
	body, over, err := c.readBody(q, MaxResponseBytes)
	if err != nil {
		return Failure{}, err
	}
	f := Failure{Type: q.errorType, Body: body, XRayCause: q.xrayCause, TooLarge: over, Polling: c.polling(q)}
	if f.Type == "" {
		f.Type = "Runtime.Unknown"
	}
	return f, nil
}
