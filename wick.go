// Package wick is the vocabulary of Wick: functions, instances, invocations and
// platform events, the rules they obey, and the contracts between the rooms that
// work on them. It imports none of the other packages and does no I/O.
//
// Start here, then follow an invocation: aws → invoke → fleet → instance → sandbox.
package wick

import "fmt"

// Defaults of a single-account installation; a request's signature scope or an
// ARN may name another region or account.
const (
	DefaultAccount = "000000000000"
	DefaultRegion  = "us-east-1"
	// Latest is the qualifier of a function's unpublished version.
	Latest = "$LATEST"
)

// Kind classes an Error. The edge (aws/…) turns each into the code and status
// AWS answers with; inside, rooms compare kinds and never codes.
type Kind int

// The kinds of failure that cross a border between rooms, with AWS's code for each.
const (
	Internal             Kind = iota // ServiceException, 500
	NotFound                         // ResourceNotFoundException, 404
	Conflict                         // ResourceConflictException, 409
	InvalidParameter                 // InvalidParameterValueException, 400
	Validation                       // ValidationException, 400: the model's constraints
	PreconditionFailed               // PreconditionFailedException, 412
	TooManyRequests                  // TooManyRequestsException, 429
	RequestTooLarge                  // RequestEntityTooLargeException, 413
	InvalidRequest                   // InvalidRequestContentException, 400
	UnsupportedMediaType             // UnsupportedMediaTypeException, 415
	CodeStorageExceeded              // CodeStorageExceededException, 400
	InvalidZipFile                   // InvalidZipFileException, 502
	InvalidRuntime                   // InvalidRuntimeException, 502
	AccessDenied                     // AccessDeniedException, 403
	ResourceNotReady                 // ResourceNotReadyException, 502
	Unavailable                      // ServiceException, 503: shutting down
	NotBuilt                         // the operation or setting exists on AWS and not yet in Wick
)

// Error is a failure with words meant for the caller. Message is AWS's own text
// where AWS has one.
type Error struct {
	Kind    Kind
	Message string
	// Reason is TooManyRequestsException's Reason member, e.g.
	// ReservedFunctionConcurrentInvocationLimitExceeded; otherwise empty.
	Reason string
	// RetryAfterSeconds becomes the Retry-After header when above zero.
	RetryAfterSeconds int
	// Cause is what led here; it is for the operator's log, never for the caller.
	Cause error
}

// Error returns the message.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of a kind with a formatted message.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first *Error in err's chain, else Internal.
func KindOf(err error) Kind {
	for err != nil {
		if e, ok := err.(*Error); ok { //nolint:errorlint // the loop is the unwrapping
			return e.Kind
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return Internal
		}
		err = u.Unwrap()
	}
	return Internal
}
