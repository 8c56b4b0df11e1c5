package protocol

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wick-run/wick/aws/sigv4"
)

// Call is what is known of a request beside its body.
type Call struct {
	RequestID  string // x-amzn-requestid of the answer
	Operation  string // AWS's name, "" while not known
	PathLabels map[string]string
	// Account and Region are those the request acts in: of its credentials and their
	// scope; of the ARN in its path if it isn't signed.
	Account, Region string
	Identity        Identity
	ReceivedAt      time.Time

	service *Service
	op      *operation
	log     *slog.Logger
	form    errorForm
	dialect dialect
	values  url.Values // the parameters of a query request
	// body is the request's, as it comes from the connection; waits says that its
	// sender wants to be told to send it.
	body  io.Reader
	waits bool
}

// Identity is who sent a request.
type Identity struct {
	AccessKeyID  string // "" when unsigned
	SessionToken string
	Signed       bool // the request carries a signature
	Verified     bool // and it was checked
	Presigned    bool
}

type callKey struct{}

// From returns the Call of the request a handler's context belongs to, or nil.
func From(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call) // absence is nil
	return call
}

// identify fills in what a signature says. A malformed one is taken for what it
// holds; whether that is enough is the server's to say.
func (c *Call) identify(s *sigv4.Signature, o *Options) {
	c.Account, c.Region = o.DefaultAccount, o.DefaultRegion
	if s == nil {
		return
	}
	c.Identity = Identity{AccessKeyID: s.AccessKeyID, SessionToken: s.SessionToken, Signed: true, Presigned: s.Presigned}
	if isRegion(s.Region) {
		c.Region = s.Region
	}
	if o.AccountOf != nil {
		if account, ok := o.AccountOf(s.AccessKeyID); ok {
			c.Account = account
			return
		}
	}
	// A 12-digit access key names the account, a convention of local AWS tools.
	if !o.Verify && isAccount(s.AccessKeyID) {
		c.Account = s.AccessKeyID
	}
}

// localize takes region and account from an ARN in the path of an unsigned request,
// which has no other way to say them.
func (c *Call) localize() {
	if c.Identity.Signed {
		return
	}
	for _, v := range c.PathLabels {
		parts := strings.SplitN(v, ":", 6)
		if len(parts) == 6 && parts[0] == "arn" && isRegion(parts[3]) && isAccount(parts[4]) {
			c.Region, c.Account = parts[3], parts[4]
			return
		}
	}
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// isRegion keeps what isn't a region's name out of ARNs.
func isRegion(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// header is where the answer's request id goes.
func (c *Call) header(h http.Header) { h.Set("X-Amzn-Requestid", c.RequestID) }
