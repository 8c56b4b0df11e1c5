package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How far a signer's clock may be from ours.
const maxSkew = 15 * time.Minute

// Values of X-Amz-Content-Sha256 that stand for a body that isn't in the signature.
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	streamingPrefix  = "STREAMING-"
	contentHashField = "X-Amz-Content-Sha256"
)

// Unsigned returns the error for a request that should have been signed.
func Unsigned() *Error {
	return &Error{"MissingAuthenticationTokenException", http.StatusForbidden, "Missing Authentication Token"}
}

// UnknownKey returns the error for an access key that nobody has.
func UnknownKey() *Error {
	return &Error{"UnrecognizedClientException", http.StatusForbidden, "The security token included in the request is invalid."}
}

// ExpiredToken returns the error for temporary credentials whose time is over.
func ExpiredToken() *Error {
	return &Error{"ExpiredTokenException", http.StatusForbidden, "The security token included in the request is expired"}
}

func invalid(format string, args ...any) error {
	return &Error{"InvalidSignatureException", http.StatusForbidden, fmt.Sprintf(format, args...)}
}

// Credentials are what a signature is checked against.
type Credentials struct {
	Secret string
	// SessionToken is what the request must carry; "" accepts none.
	SessionToken string
}

// Verify checks a request's signature, time and body. It reads the body if its hash
// is not in a header, up to maxBody bytes, and gives the request one to read again;
// with a hash in the header the body it leaves checks itself while it is read, and
// returns an *Error at its end if it is another one. The error is an *Error in
// AWS's words, or that of reading the body.
func (s *Signature) Verify(r *http.Request, cred Credentials, now time.Time, maxBody int64) error {
	if s.Algorithm != algorithm {
		return invalid("The signing algorithm %s is not supported here; sign with %s.", s.Algorithm, algorithm)
	}
	if err := s.checkTime(now); err != nil {
		return err
	}
	if s.SessionToken != cred.SessionToken {
		return UnknownKey()
	}
	if !slices.Contains(s.SignedHeaders, "host") {
		return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !s.Presigned && lower != "x-amz-content-sha256" && !slices.Contains(s.SignedHeaders, lower) {
			return invalid("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	payload, err := s.payloadHash(r, maxBody)
	if err != nil {
		return err
	}
	// Path encoding differs by service (S3 signs the path as sent, the others sign it
	// encoded once more) and some clients don't do the second; either proves the secret.
	for _, path := range canonicalPaths(r.URL, s.Service) {
		if s.matches(r, cred.Secret, path, payload) {
			return nil
		}
	}
	return invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

func (s *Signature) checkTime(now time.Time) error {
	now = now.UTC()
	signed := s.Time.Format(timeFormat)
	if s.Date != s.Time.Format(dateFormat) {
		return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.Date, s.Time.Format(dateFormat), signed)
	}
	if s.Time.After(now.Add(maxSkew)) {
		return invalid("Signature not yet current: %s is still later than %s (%s + %s)", signed, now.Add(maxSkew).Format(timeFormat), now.Format(timeFormat), span(maxSkew))
	}
	good := maxSkew
	if s.Presigned {
		good = s.Expires
	}
	if oldest := now.Add(-good); s.Time.Before(oldest) {
		return invalid("Signature expired: %s is now earlier than %s (%s - %s)", signed, oldest.Format(timeFormat), now.Format(timeFormat), span(good))
	}
	return nil
}

// span renders a validity the way AWS does: whole minutes, else seconds.
func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d sec.", d/time.Second)
}

// payloadHash returns the body's hash as the signer put it in the canonical request.
func (s *Signature) payloadHash(r *http.Request, maxBody int64) (string, error) {
	h := r.Header.Get(contentHashField)
	if h == "" && s.Presigned {
		h = r.URL.Query().Get(contentHashField)
		if h == "" && s.Service == "s3" {
			h = unsignedPayload
		}
	}
	switch {
	case h == unsignedPayload || strings.HasPrefix(h, streamingPrefix):
		return h, nil
	case h != "":
		if r.Body == nil {
			r.Body = http.NoBody
		}
		r.Body = &checkedBody{body: r.Body, sum: sha256.New(), want: strings.ToLower(h), left: r.ContentLength}
		return h, nil
	}
	body, err := readAll(r, maxBody)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

func (s *Signature) matches(r *http.Request, secret, path, payload string) bool {
	canonical := s.canonicalRequest(r, path, payload)
	hash := sha256.Sum256([]byte(canonical))
	scope := s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
	toSign := algorithm + "\n" + s.Time.Format(timeFormat) + "\n" + scope + "\n" + hex.EncodeToString(hash[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, terminator, toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(strings.ToLower(s.Signature))) == 1
}

func (s *Signature) canonicalRequest(r *http.Request, path, payload string) string {
	var b strings.Builder
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(path)
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(r.URL.RawQuery))
	b.WriteByte('\n')
	names := slices.Clone(s.SignedHeaders)
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(headerValue(r, name))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(names, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String()
}

// headerValue returns a header as the canonical request has it: values trimmed,
// runs of spaces folded, several joined by commas. net/http keeps Host and
// Content-Length apart from the other headers.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		if r.ContentLength >= 0 {
			return fmt.Sprint(r.ContentLength)
		}
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := r.Header.Values(name)
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(folded, ",")
}

// canonicalPaths returns the forms of a path that a signer may have used, the
// service's own first.
func canonicalPaths(u *url.URL, service string) []string {
	sent := u.EscapedPath()
	if sent == "" {
		sent = "/"
	}
	once, twice := encodePath(u.Path), encodePath(sent)
	if once == "" {
		once = "/"
	}
	if service == "s3" {
		return slices.Compact([]string{sent, once})
	}
	return slices.Compact([]string{twice, sent, once})
}

func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		k, v = reencode(k), reencode(v)
		if k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{k, v})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + p[1])
	}
	return b.String()
}

// reencode brings a query component into the encoding SigV4 asks for, whatever the
// client used on the wire.
func reencode(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil { // not encoded at all: take it literally, as the signer must have
		plain = s
	}
	return encode(plain, false)
}

func encodePath(p string) string { return encode(p, true) }

// encode percent-encodes all but the unreserved characters of RFC 3986.
func encode(s string, path bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// readAll reads a body of at most limit bytes and puts it back. A longer body is
// given back whole, unread part included, with http.MaxBytesError.
func readAll(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	original := r.Body
	body, err := io.ReadAll(io.LimitReader(original, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	r.Body = &replayed{Reader: bytes.NewReader(body), close: original.Close}
	return body, nil
}
