package invoke

import (
	"io"

	"github.com/wick-run/wick"
)

// Request is one synchronous invocation as an edge (the Lambda API, a function URL,
// the asynchronous queue) hands it in.
type Request struct {
	Function wick.FunctionID
	// Qualifier is the version or alias asked for; "" means $LATEST.
	Qualifier string
	// InvokedARN is what the function is told it was invoked as: with the qualifier
	// if, and only if, the invoker gave one.
	InvokedARN string
	// RequestID is both x-amzn-RequestId of the answer and what the function sees.
	RequestID string
	// Payload is the event, already known to be JSON; Size is its length in bytes,
	// or -1 when it isn't known ahead.
	Payload io.Reader
	Size    int64
	// ClientContext is the decoded JSON of X-Amz-Client-Context, or "".
	ClientContext string
	// Trace is the X-Amzn-Trace-Id header as received, or "".
	Trace string
	// Tail asks for the last 4 KB of the invocation's log.
	Tail bool
}

// Result is a function's answer. A function that failed is a Result, not an error.
type Result struct {
	ExecutedVersion string
	FunctionError   string // "" or "Unhandled"
	// Payload is the response or the error object; the caller closes it. Size is its
	// length in bytes, or -1 for a streamed one.
	Payload io.ReadCloser
	Size    int64
	LogTail []byte // the last 4 KB, when asked for
	Trace   string // the X-Amzn-Trace-Id the function was given
}
