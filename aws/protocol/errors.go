package protocol

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/sigv4"
)

// kindCodes are AWS's codes for the kinds of failure inside Wick. Status and body
// of a code come from the service's model, or from unmodelled below.
var kindCodes = map[wick.Kind]string{
	wick.Internal:             "ServiceException",
	wick.NotFound:             "ResourceNotFoundException",
	wick.Conflict:             "ResourceConflictException",
	wick.InvalidParameter:     "InvalidParameterValueException",
	wick.Validation:           "ValidationException",
	wick.PreconditionFailed:   "PreconditionFailedException",
	wick.TooManyRequests:      "TooManyRequestsException",
	wick.RequestTooLarge:      "RequestEntityTooLargeException",
	wick.InvalidRequest:       "InvalidRequestContentException",
	wick.UnsupportedMediaType: "UnsupportedMediaTypeException",
	wick.CodeStorageExceeded:  "CodeStorageExceededException",
	wick.InvalidZipFile:       "InvalidZipFileException",
	wick.InvalidRuntime:       "InvalidRuntimeException",
	wick.AccessDenied:         "AccessDeniedException",
	wick.ResourceNotReady:     "ResourceNotReadyException",
	wick.Unavailable:          "ServiceException",
	wick.NotBuilt:             "NotImplementedException",
}

// errorShape is how an error code looks on the wire.
type errorShape struct {
	status  int
	capital bool   // the member is Message, not message
	typ     string // the member Type: User, Service or ""
}

// unmodelled are the codes that every service may answer and no model has.
//
// 501 for NotImplementedException: SDKs show it with its code and message, and none
// retries it (they retry 500, 502, 503 and 504).
var unmodelled = map[string]errorShape{
	"ValidationException":            {http.StatusBadRequest, false, ""},
	"SerializationException":         {http.StatusBadRequest, true, ""},
	"RequestEntityTooLargeException": {http.StatusRequestEntityTooLarge, false, "User"},
	"AccessDeniedException":          {http.StatusForbidden, true, ""},
	"UnknownOperationException":      {http.StatusNotFound, false, ""},
	"NotImplementedException":        {http.StatusNotImplemented, false, ""},
	"ServiceException":               {http.StatusInternalServerError, true, "Service"},
}

// wireError is an error that is already in AWS's terms.
type wireError struct {
	code    string
	query   string // what query calls the code, of services that speak that among others
	status  int
	message string
	capital bool
	typ     string
	reason  string
	extra   []member
	retry   string // the Retry-After header
}

type member struct{ name, value string }

// Error returns the code and message.
func (e *wireError) Error() string { return e.code + ": " + e.message }

func (e *wireError) answer() *wireError { return e }

// answerer is an error that knows its answer.
type answerer interface {
	error
	answer() *wireError
}

// WriteError answers a request with an error in AWS's form. It understands
// *wick.Error, the SDK's error types (written member by member as they are, so that
// one without a Type has none on the wire, as some of AWS's have), any smithy
// APIError, and *sigv4.Error. Anything else is the server's fault: it is logged with
// the request's id and answered as ServiceException. Handlers of raw operations call
// it for their own errors, before they have written anything.
func WriteError(w http.ResponseWriter, call *Call, err error) {
	e := call.wire(err)
	call.logError(e, err)
	h := w.Header()
	if e.retry != "" {
		h.Set("Retry-After", e.retry)
	}
	if e.query != "" { // clients that know query's codes show that, in whatever protocol
		h.Set("X-Amzn-Query-Error", e.query+";"+senderOrReceiver(e))
	}
	call.header(h)
	call.drain()
	// The connection may be gone; there is nobody else to tell.
	_ = call.form.write(w, call.RequestID, e)
	call.drainAfter(w)
}

// wire turns an error into what goes out.
func (c *Call) wire(err error) *wireError {
	var known answerer
	var refused *sigv4.Error
	var overLimit *http.MaxBytesError
	var inside *wick.Error
	var api smithy.APIError
	switch {
	case errors.As(err, &known):
		return c.inQuery(known.answer())
	case errors.As(err, &refused):
		return c.inQuery(&wireError{code: refused.Code, status: refused.Status, message: refused.Message})
	case errors.As(err, &inside):
		return c.inside(inside)
	case errors.As(err, &api):
		return c.sdkError(api)
	case errors.As(err, &overLimit):
		return c.inside(wick.Errorf(wick.RequestTooLarge, "Request must be smaller than %d bytes", overLimit.Limit))
	case errors.Is(err, context.DeadlineExceeded):
		return c.inside(wick.Errorf(wick.Unavailable, "The request took too long and was given up."))
	}
	return c.inside(wick.Errorf(wick.Internal, "Wick ran into an error of its own; its log has the details under request id %s.", c.RequestID))
}

func (c *Call) inside(e *wick.Error) *wireError {
	code, ok := kindCodes[e.Kind]
	if !ok {
		code = kindCodes[wick.Internal]
	}
	if c.service != nil && c.service.model.Codes[code] != "" {
		code = c.service.model.Codes[code]
	}
	out := c.shaped(code)
	out.message, out.reason = e.Message, e.Reason
	if e.RetryAfterSeconds > 0 {
		out.retry = strconv.Itoa(e.RetryAfterSeconds)
	}
	if e.Kind == wick.Unavailable {
		out.status = http.StatusServiceUnavailable
	}
	return out
}

// shaped returns an error of a code with the form the model, or failing that the
// table of unmodelled ones, gives it.
func (c *Call) shaped(code string) *wireError {
	if s := c.exception(code); s != nil {
		e := &wireError{code: code, query: s.Code, status: s.Status, typ: "User", capital: s.Member("Message") != nil}
		if s.Fault {
			e.typ = "Service"
		}
		if s.Member("Type") == nil {
			e.typ = ""
		}
		return e
	}
	s, ok := unmodelled[code]
	if !ok {
		s = errorShape{http.StatusBadRequest, false, ""}
	}
	return c.inQuery(&wireError{code: code, status: s.status, capital: s.capital, typ: s.typ})
}

// inQuery adds what query calls an error that isn't a shape of the model.
func (c *Call) inQuery(e *wireError) *wireError {
	if c.service == nil || c.service.model.Protocols == nil || e.query != "" {
		return e
	}
	named := *e
	if named.query = c.service.model.QueryCodes[e.code]; named.query == "" {
		named.query = e.code
	}
	return &named
}

func (c *Call) exception(code string) *models.Shape {
	if c.service == nil {
		return nil
	}
	if s := c.service.model.Shapes[code]; s != nil && s.Exception {
		return s
	}
	return nil
}

// sdkError writes an error of the SDK's types: the model says which of its fields
// travel where.
func (c *Call) sdkError(api smithy.APIError) *wireError {
	e := c.shaped(api.ErrorCode())
	e.message = api.ErrorMessage()
	if _, modelled := unmodelled[e.code]; !modelled && c.exception(e.code) == nil && api.ErrorFault() == smithy.FaultServer {
		e.status = http.StatusInternalServerError
	}
	v := reflect.Indirect(reflect.ValueOf(api))
	s := c.exception(e.code)
	if s == nil || v.Kind() != reflect.Struct {
		return e
	}
	e.typ = ""
	for _, m := range s.Members {
		text, ok := fieldText(v, m.Name)
		switch {
		case !ok || strings.EqualFold(m.Name, "message"):
		case m.Location == models.Header:
			if m.WireName == "Retry-After" {
				e.retry = text
			}
		case m.Name == "Type":
			e.typ = text
		case m.Name == "Reason":
			e.reason = text
		default:
			e.extra = append(e.extra, member{m.WireName, text})
		}
	}
	return e
}

// fieldText returns a string field's text, and whether it is set.
func fieldText(v reflect.Value, name string) (string, bool) {
	f := v.FieldByName(strings.ToUpper(name[:1]) + name[1:])
	if !f.IsValid() {
		return "", false
	}
	f = reflect.Indirect(f)
	if !f.IsValid() || f.Kind() != reflect.String || f.Len() == 0 {
		return "", false
	}
	return f.String(), true
}

// logError tells the operator of what is the server's fault; the caller's faults are
// only of interest when looking for them.
func (c *Call) logError(e *wireError, err error) {
	level := slog.LevelDebug
	switch {
	case errors.Is(err, context.Canceled): // the caller hung up
	case e.status >= 500 && e.status != http.StatusNotImplemented:
		level = slog.LevelError
		if e.status == http.StatusServiceUnavailable || e.typ == "User" {
			level = slog.LevelWarn
		}
	}
	c.log.Log(context.Background(), level, "request failed",
		"request", c.RequestID, "operation", c.Operation, "code", e.code, "status", e.status, "error", err)
}
