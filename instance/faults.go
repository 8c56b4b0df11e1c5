package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/sandbox"
)

// Error types the platform itself gives. Source: Lambda, runtime and sandbox errors
// as recorded.
const (
	errTypeTimeout       = "Sandbox.Timedout"
	errTypeExit          = "Runtime.ExitError"
	errTypeOutOfMemory   = "Runtime.OutOfMemory"
	errTypeEntrypoint    = "Runtime.InvalidEntrypoint"
	errTypeResponseSize  = "Function.ResponseSizeTooLarge"
	errTypeUnknown       = "Runtime.Unknown"
	maxResponseReported  = 6291556
	faultTimestampFormat = "2006-01-02T15:04:05.000Z"
)

var platformErrorType = regexp.MustCompile(`(Runtime|Function)\.[A-Z][a-zA-Z]+`)

// reportedErrorType is what the platform's events call an error that a runtime reported:
// only Runtime.X and Function.X go by their names there. The error object, which is the
// function's own, is another matter.
// Source: the official emulator; REPORT and INIT_REPORT lines as AWS wrote them.
func reportedErrorType(name string) string {
	switch {
	case platformErrorType.MatchString(name):
		return name
	case strings.HasPrefix(name, "Function."):
		return "Function.Unknown"
	}
	return errTypeUnknown
}

// fault is how an init or an invocation failed when the function itself didn't say:
// what the invoker is told and what the log says.
type fault struct {
	status    wick.Status
	errorType string
	message   string // without the "RequestId: … Error: " in front
	// body, when set, is the error object the runtime posted; it goes out as it is.
	body []byte
}

// object returns the error object for the invoker.
func (f *fault) object(requestID string) []byte {
	if len(f.body) > 0 {
		return f.body
	}
	return errorObject(f.errorType, "RequestId: "+requestID+" Error: "+f.message)
}

func errorObject(errorType, message string) []byte {
	b, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errorType, message})
	if err != nil { // two strings always marshal
		panic(err)
	}
	return b
}

// logText returns what the platform writes into the log, or "".
func (f *fault) logText(at time.Time, requestID string) string {
	switch {
	case f.status == wick.StatusTimeout:
		return at.UTC().Format(faultTimestampFormat) + " " + requestID + " " + f.message + "\n\n"
	case len(f.body) > 0:
		return "" // the runtime has logged its own error
	}
	return "RequestId: " + requestID + " Error: " + f.message + "\n" + f.errorType + "\n"
}

func timeoutFault(limit time.Duration) *fault {
	return &fault{
		status: wick.StatusTimeout, errorType: errTypeTimeout,
		message: fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()),
	}
}

// exitFault says how a runtime that ended by itself, or was ended by the kernel, did.
func exitFault(e sandbox.Exit) *fault {
	f := &fault{status: wick.StatusFailure, errorType: errTypeExit}
	switch {
	case e.OOM:
		f.errorType = errTypeOutOfMemory
		f.message = "Runtime exited with error: signal: killed"
		if e.Signal == 0 {
			f.message = "Runtime exited with error: exit status " + fmt.Sprint(e.Code)
		}
	case e.Signal != 0:
		f.message = "Runtime exited with error: signal: " + e.Signal.String()
	case e.Code != 0:
		f.message = "Runtime exited with error: exit status " + fmt.Sprint(e.Code)
	default:
		f.message = "Runtime exited without providing a reason"
	}
	return f
}

// startFault says why a runtime's program couldn't be started.
func startFault(path string, err error) *fault {
	reason := err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		reason = errno.Error()
	}
	return &fault{
		status: wick.StatusFailure, errorType: errTypeEntrypoint,
		message: "fork/exec " + path + ": " + reason,
	}
}

func noBootstrapFault(looked []string) *fault {
	return &fault{
		status: wick.StatusFailure, errorType: errTypeEntrypoint,
		message: "Couldn't find valid bootstrap(s): [" + strings.Join(looked, " ") + "]",
	}
}

func tooLargeObject() []byte {
	return errorObject(errTypeResponseSize, fmt.Sprintf(
		"Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponseReported))
}
