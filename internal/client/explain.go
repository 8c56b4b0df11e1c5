package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Explain turns an error of the SDK or of net/http into one line for a person: that
// there is no server, or the server's own words with the code scripts would look for.
// Errors it has nothing to say about come back as they are.
func (c *Client) Explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return &ServerError{Code: api.ErrorCode(), Message: api.ErrorMessage(), err: err}
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return &UnreachableError{Endpoint: c.Endpoint, err: err}
	}
	if errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("Wick at %s closed the connection in mid-request: was it stopped?", c.Endpoint)
	}
	var resp *http.ResponseError
	if errors.As(err, &resp) && resp.HTTPStatusCode() != 0 {
		return fmt.Errorf("%s answered HTTP %d in a form that isn't AWS's: is it a Wick?", c.Endpoint, resp.HTTPStatusCode())
	}
	return err
}

// ServerError is the server's refusal.
type ServerError struct {
	Code    string // AWS's, e.g. ResourceNotFoundException
	Message string // AWS's
	err     error
}

// Error returns message and code.
func (e *ServerError) Error() string { return e.Message + " (" + e.Code + ")" }

// Unwrap returns the SDK's error.
func (e *ServerError) Unwrap() error { return e.err }

// UnreachableError says that nothing listens at the endpoint.
type UnreachableError struct {
	Endpoint string
	err      error
}

// Error says what to do about it.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Wick at %s: start it with `wick serve`, or name another with --endpoint", e.Endpoint)
}

// Unwrap returns the network's error.
func (e *UnreachableError) Unwrap() error { return e.err }
