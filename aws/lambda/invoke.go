package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/control"
	"github.com/wick-run/wick/invoke"
)

// Limits of an invocation. Sources: Lambda quotas, invocation payload; Invoke, ClientContext.
const (
	maxPayload       = 6291456
	maxClientContext = 3583
	// maxDrain bounds how much of a payload that is too large is read before it is
	// refused: clients read no answer while they are still sending.
	maxDrain = 64 << 20
)

// Header names as http.Header keeps them, so that setting them costs no rewriting.
const (
	headerType            = "X-Amz-Invocation-Type"
	headerLogType         = "X-Amz-Log-Type"
	headerClientContext   = "X-Amz-Client-Context"
	headerTenant          = "X-Amz-Tenant-Id"
	headerDurable         = "X-Amz-Durable-Execution-Name"
	headerTrace           = "X-Amzn-Trace-Id"
	headerTraceparent     = "Traceparent"
	headerRequestID       = "X-Amzn-Requestid"
	headerVersion         = "X-Amz-Executed-Version"
	headerFunctionError   = "X-Amz-Function-Error"
	headerLogResult       = "X-Amz-Log-Result"
	headerRemapped        = "X-Amzn-Remapped-Content-Length"
	headerContentType     = "Content-Type"
	headerContentLength   = "Content-Length"
	invocationTypeEvent   = "Event"
	invocationTypeDryRun  = "DryRun"
	invocationTypeRequest = "RequestResponse"
)

// Values of headers that are always the same, shared by all answers.
var (
	valueJSON = []string{"application/json"}
	valueZero = []string{"0"}
)

// InvokeTarget says whether a request's target, query included, is Invoke's.
func InvokeTarget(target []byte) bool {
	path, _, _ := bytes.Cut(target, []byte("?"))
	return bytes.HasPrefix(path, []byte("/2015-03-31/functions/")) && bytes.HasSuffix(path, []byte("/invocations"))
}

// emptyEvent is what a function gets that is invoked without a payload.
var emptyEvent = []byte("{}")

// invoke is the Invoke operation: the warm path. The payload isn't copied after it
// was read, and its buffer isn't pooled: a runtime may still be reading its event
// when it has answered, and must never read another's.
func (a *API) invoke(w http.ResponseWriter, r *http.Request, call *protocol.Call) {
	req, dryRun, err := a.request(w, r, call)
	if err != nil {
		protocol.WriteError(w, call, err)
		return
	}
	if dryRun {
		if _, err := a.o.Control.Resolve(r.Context(), req.Function, req.Qualifier); err != nil {
			protocol.WriteError(w, call, err)
			return
		}
		w.Header()[headerRequestID] = []string{call.RequestID}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if finish := detach(w, req); finish != nil {
		a.o.Invoker.Start(r.Context(), req, func(result *invoke.Result, err error) {
			if err == nil && (result.Size < 0 || result.Size > maxAtOnce) { // its client may be slow to take it
				go func() {
					a.conclude(w, call, result, nil)
					finish()
				}()
				return
			}
			a.conclude(w, call, result, err)
			finish()
		})
		return
	}
	result, err := a.o.Invoker.Invoke(r.Context(), req)
	a.conclude(w, call, result, err)
}

// maxAtOnce is the largest answer that is written by whoever brings it.
const maxAtOnce = 32 << 10

// detach returns how an answer is finished that is written when the handler has returned,
// nil where the handler has to wait for it: the server isn't aws/front, or the answer
// takes the log's tail, which is there only later.
func detach(w http.ResponseWriter, req *invoke.Request) (finish func()) {
	if req.Tail {
		return nil
	}
	for {
		switch t := w.(type) {
		case interface{ Detach() func() }:
			return t.Detach()
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// conclude sends what came of an invocation.
func (a *API) conclude(w http.ResponseWriter, call *protocol.Call, result *invoke.Result, err error) {
	if err != nil {
		protocol.WriteError(w, call, err)
		return
	}
	defer result.Payload.Close() //nolint:errcheck // it was read
	a.answer(w, call, result)
}

// request reads what is asked for.
func (a *API) request(w http.ResponseWriter, r *http.Request, call *protocol.Call) (req *invoke.Request, dryRun bool, err error) {
	qualifier := ""
	if r.URL.RawQuery != "" {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, false, wick.Errorf(wick.InvalidRequest, "Could not parse the query string")
		}
		qualifier = q.Get("Qualifier")
	}
	ref, err := control.ParseFunctionName(call.PathLabels["FunctionName"], qualifier, call.Account, call.Region)
	if err != nil {
		return nil, false, err
	}
	kind := first(r.Header, headerType)
	switch kind {
	case "":
		kind = invocationTypeRequest
	case invocationTypeRequest, invocationTypeDryRun:
	case invocationTypeEvent:
		return nil, false, wick.Errorf(wick.NotBuilt, "Wick doesn't support InvocationType Event yet")
	}
	switch {
	case first(r.Header, headerTenant) != "":
		return nil, false, wick.Errorf(wick.NotBuilt, "Wick doesn't support TenantId yet")
	case first(r.Header, headerDurable) != "":
		return nil, false, wick.Errorf(wick.NotBuilt, "Wick doesn't support DurableExecutionName yet")
	}
	context, err := clientContext(first(r.Header, headerClientContext))
	if err != nil {
		return nil, false, err
	}
	payload, err := readPayload(w, r, kind)
	if err != nil {
		return nil, false, err
	}
	return &invoke.Request{
		Function:      ref.ID,
		Qualifier:     ref.Qualifier,
		InvokedARN:    ref.ARN(),
		RequestID:     call.RequestID,
		Payload:       bytes.NewBuffer(payload),
		Size:          int64(len(payload)),
		ClientContext: context,
		Trace:         traceOf(r.Header),
		Tail:          first(r.Header, headerLogType) == "Tail",
	}, kind == invocationTypeDryRun, nil
}

// traceOf returns the X-Amzn-Trace-Id of a request, or one that says the same as its W3C
// traceparent, which AWS's services don't look at.
func traceOf(h http.Header) string {
	if trace := first(h, headerTrace); trace != "" {
		return trace
	}
	if parent := first(h, headerTraceparent); parent != "" {
		if trace, ok := wick.FromTraceparent(parent); ok {
			return trace
		}
	}
	return ""
}

// answer sends a function's answer, also that of one which failed.
func (a *API) answer(w http.ResponseWriter, call *protocol.Call, result *invoke.Result) {
	h := w.Header()
	h[headerContentType] = valueJSON
	h[headerRemapped] = valueZero
	h[headerRequestID] = []string{call.RequestID}
	h[headerVersion] = []string{result.ExecutedVersion}
	if result.Trace != "" {
		h[headerTrace] = []string{result.Trace}
	}
	if result.FunctionError != "" {
		h[headerFunctionError] = []string{result.FunctionError}
	}
	if result.LogTail != nil {
		h[headerLogResult] = []string{base64.StdEncoding.EncodeToString(result.LogTail)}
	}
	if result.Size >= 0 {
		h[headerContentLength] = []string{strconv.FormatInt(result.Size, 10)}
	}
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, result.Payload); err != nil {
		// The client has gone, or a streamed answer broke: the status is sent already.
		a.o.Log.Debug("answer not sent in full", "request", call.RequestID, "error", err)
	}
}

// readPayload reads an event and makes sure that it is JSON of a size Lambda takes.
func readPayload(w http.ResponseWriter, r *http.Request, kind string) ([]byte, error) {
	size := r.ContentLength
	if size == 0 {
		return emptyEvent, nil
	}
	if size > maxPayload {
		drain(r.Body, maxDrain)
		return nil, tooLarge(size, kind)
	}
	var payload []byte
	var err error
	if size > 0 {
		payload = make([]byte, size)
		_, err = io.ReadFull(r.Body, payload)
	} else {
		payload, err = io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
		if len(payload) > maxPayload {
			return nil, tooLarge(int64(len(payload))+drain(r.Body, maxDrain), kind)
		}
	}
	if err != nil {
		return nil, &wick.Error{Kind: wick.InvalidRequest, Message: "The request body ended before it was complete", Cause: err}
	}
	if len(payload) == 0 {
		return emptyEvent, nil
	}
	if f := checkJSON(payload); f != nil {
		return nil, wick.Errorf(wick.InvalidRequest, "Could not parse request body into json: Could not parse payload into json: %s", f.message(payload))
	}
	return payload, nil
}

// drain reads and forgets up to limit bytes, and returns how many there were.
func drain(r io.Reader, limit int64) int64 {
	n, err := io.Copy(io.Discard, io.LimitReader(r, limit))
	if err != nil {
		return n // the client went: nobody reads the answer either
	}
	return n
}

func tooLarge(size int64, kind string) error {
	return wick.Errorf(wick.RequestTooLarge,
		"%d byte payload is too large for the %s invocation type (limit %d bytes)", size, kind, maxPayload)
}

// clientContext decodes X-Amz-Client-Context: base64 of a JSON object. What it
// returns has no line breaks, since it travels on in a header.
func clientContext(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	if len(header) > maxClientContext {
		return "", wick.Errorf(wick.InvalidRequest,
			"Client context must be no more than %d bytes of Base64-encoded data", maxClientContext)
	}
	decoded, err := base64.StdEncoding.DecodeString(header)
	var compact bytes.Buffer
	if err == nil {
		err = json.Compact(&compact, decoded)
	}
	if err == nil && (compact.Len() == 0 || compact.Bytes()[0] != '{') {
		err = errors.New("not an object")
	}
	if err != nil {
		return "", &wick.Error{
			Kind:    wick.InvalidRequest,
			Message: "Client context must be a valid Base64-encoded JSON object.",
			Cause:   err,
		}
	}
	return compact.String(), nil
}

// first returns a header's value; key is in canonical form.
func first(h http.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
