// Package sigv4 reads and verifies AWS Signature Version 4 from the server's side:
// who signed a request, for which region and service, and whether the signature is
// right. It knows no accounts or keys; package protocol looks the secret up.
//
// Source: AWS General Reference, "Signature Version 4 signing process".
package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature is what a request says about who signed it and how.
type Signature struct {
	AccessKeyID string
	Date        string // YYYYMMDD of the credential scope
	Region      string // "*" or a list for SigV4A's, which has none in its scope
	Service     string // the signing name, e.g. "lambda"

	Algorithm     string
	SignedHeaders []string // lower case, in the order the request gives them
	Signature     string   // hex
	SessionToken  string   // "" for long-term credentials
	// Time is when the request was signed; zero when it doesn't say.
	Time time.Time
	// Presigned says the signature came in the query; Expires is then how long after
	// Time it is good for.
	Presigned bool
	Expires   time.Duration
}

// Algorithms of signatures.
const (
	algorithm  = "AWS4-HMAC-SHA256"
	algorithmA = "AWS4-ECDSA-P256-SHA256" // SigV4A; read, never verified
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	terminator = "aws4_request"
)

// Error is a refusal in AWS's words.
type Error struct {
	Code    string
	Status  int
	Message string
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func incomplete(format string, args ...any) error {
	return &Error{"IncompleteSignatureException", http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// ErrUnsigned is what Parse returns for a request without a signature.
var ErrUnsigned = errors.New("request carries no signature")

// Parse reads the signature of a request from its Authorization header or, for a
// presigned URL, its query. It returns ErrUnsigned if there is none, and an *Error
// together with what could be read if the signature is malformed.
func Parse(r *http.Request) (*Signature, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		return parseHeader(r, auth)
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-") {
		q := r.URL.Query()
		if q.Has("X-Amz-Credential") || q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Signature") {
			return parseQuery(q.Get)
		}
	}
	return nil, ErrUnsigned
}

func parseHeader(r *http.Request, auth string) (*Signature, error) {
	alg, rest, _ := strings.Cut(strings.TrimSpace(auth), " ")
	s := &Signature{Algorithm: alg, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if alg != algorithm && alg != algorithmA {
		return s, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header and the algorithm '%s'. Authorization=%s", algorithm, redact(auth))
	}
	var missing []string
	credential, ok := param(rest, "Credential")
	if !ok {
		missing = append(missing, "Authorization header requires 'Credential' parameter.")
	}
	headers, ok := param(rest, "SignedHeaders")
	if !ok {
		missing = append(missing, "Authorization header requires 'SignedHeaders' parameter.")
	}
	if s.Signature, ok = param(rest, "Signature"); !ok {
		missing = append(missing, "Authorization header requires 'Signature' parameter.")
	}
	when := r.Header.Get("X-Amz-Date")
	if when == "" {
		when = r.Header.Get("Date")
	}
	if when == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	s.SignedHeaders = splitHeaders(headers)
	scopeErr := s.setCredential(credential)
	if len(missing) > 0 {
		return s, incomplete("%s Authorization=%s", strings.Join(missing, " "), redact(auth))
	}
	if scopeErr != nil {
		return s, scopeErr
	}
	var err error
	if s.Time, err = parseTime(when); err != nil {
		return s, incomplete("Date in HTTP request must be in ISO8601 format 'YYYYMMDD'T'HHMMSS'Z'; got '%s'.", when)
	}
	return s, nil
}

func parseQuery(get func(string) string) (*Signature, error) {
	s := &Signature{
		Presigned: true, Algorithm: get("X-Amz-Algorithm"), Signature: get("X-Amz-Signature"),
		SessionToken: get("X-Amz-Security-Token"), SignedHeaders: splitHeaders(get("X-Amz-SignedHeaders")),
	}
	scopeErr := s.setCredential(get("X-Amz-Credential"))
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if get(name) == "" {
			return s, incomplete("AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	if s.Algorithm != algorithm && s.Algorithm != algorithmA {
		return s, incomplete("Unsupported AWS 'algorithm': '%s'.", s.Algorithm)
	}
	if scopeErr != nil {
		return s, scopeErr
	}
	var err error
	if s.Time, err = time.Parse(timeFormat, get("X-Amz-Date")); err != nil {
		return s, incomplete("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"; got '%s'.", get("X-Amz-Date"))
	}
	s.Expires = defaultExpiry
	if e := get("X-Amz-Expires"); e != "" {
		seconds, err := strconv.ParseInt(e, 10, 32)
		if err != nil || seconds < 0 || seconds > maxExpirySeconds {
			return s, incomplete("X-Amz-Expires must be a number of seconds from 0 to %d; got '%s'.", maxExpirySeconds, e)
		}
		s.Expires = time.Duration(seconds) * time.Second
	}
	return s, nil
}

// How long a presigned URL is good for: at most a week, five minutes unless it says.
const (
	maxExpirySeconds = 7 * 24 * 60 * 60
	defaultExpiry    = 5 * time.Minute
)

// setCredential reads KEY/DATE/REGION/SERVICE/aws4_request. An access key may hold
// slashes, so the scope is taken from the end.
func (s *Signature) setCredential(credential string) error {
	parts := strings.Split(credential, "/")
	n := 4
	if s.Algorithm == algorithmA { // no region in its scope
		n = 3
	}
	if len(parts) <= n {
		s.AccessKeyID = parts[0]
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", redact(credential))
	}
	scope := parts[len(parts)-n:]
	s.AccessKeyID = strings.Join(parts[:len(parts)-n], "/")
	s.Date, s.Service = scope[0], scope[n-2]
	if n == 4 {
		s.Region = scope[1]
	}
	if scope[n-1] != terminator {
		return incomplete("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, scope[n-1])
	}
	return nil
}

// param finds NAME=value in an Authorization header's comma- or space-separated list.
func param(list, name string) (string, bool) {
	for p := range strings.FieldsFuncSeq(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		if v, ok := strings.CutPrefix(p, name+"="); ok {
			return v, v != ""
		}
	}
	return "", false
}

func splitHeaders(list string) []string {
	if list == "" {
		return nil
	}
	hs := strings.Split(strings.ToLower(list), ";")
	return slices.DeleteFunc(hs, func(h string) bool { return h == "" })
}

func parseTime(v string) (time.Time, error) {
	if t, err := time.Parse(timeFormat, v); err == nil {
		return t, nil
	}
	return http.ParseTime(v)
}

// redact keeps a caller's own header recognisable in a message without repeating
// its signature.
func redact(auth string) string {
	if i := strings.Index(auth, "Signature="); i >= 0 {
		end := i + len("Signature=")
		return auth[:end] + "…"
	}
	if len(auth) > 128 {
		return auth[:128] + "…"
	}
	return auth
}
