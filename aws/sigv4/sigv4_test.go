package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var signedAt = time.Date(2026, 11, 24, 20, 15, 0, 0, time.UTC)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// signed makes a request, signs it with the SDK's signer and returns it as a server
// sees it.
func signed(t *testing.T, method, target, body, service, token string, header http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, vs := range header {
		r.Header[k] = vs
	}
	hash := hashOf(body)
	if h := r.Header.Get(contentHashField); h != "" {
		hash = h
	}
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }).SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}, r, hash, service, "eu-central-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return overTheWire(t, r)
}

// overTheWire writes a request as a client does and reads it as a server does.
func overTheWire(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	var got *http.Request
	var body []byte
	ts := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got = r.Clone(context.Background())
	}))
	defer ts.Close()
	u, err := url.Parse(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = r.URL.Host // what was signed
	r.URL.Host = u.Host
	r.URL.Scheme = u.Scheme
	resp, err := ts.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	got.Body = io.NopCloser(bytes.NewReader(body))
	return got
}

func verify(r *http.Request, secret, token string, now time.Time) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	return s.Verify(r, Credentials{Secret: secret, SessionToken: token}, now, 1<<20)
}

func TestWhatTheSDKSignsVerifies(t *testing.T) {
	for name, c := range map[string]struct {
		method, target, body, service, token string
		header                               http.Header
	}{
		"plain":              {method: "GET", target: "http://lambda.local/2015-03-31/functions", service: "lambda"},
		"body":               {method: "POST", target: "http://lambda.local/2015-03-31/functions", body: `{"a":1}`, service: "lambda"},
		"token":              {method: "POST", target: "http://lambda.local/x", body: `{}`, service: "lambda", token: "FwoGZXIvYXdzE+/="},
		"an ARN in a path":   {method: "GET", target: "http://lambda.local/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/x", service: "lambda"},
		"colons as they are": {method: "GET", target: "http://lambda.local/functions/arn:aws:lambda:us-east-1:000000000000:function:f", service: "lambda"},
		"query":              {method: "GET", target: "http://lambda.local/f?b=2&a=1&a=0&Marker=x%2By%2F%3D&empty=&sp=a%20b", service: "lambda"},
		"port":               {method: "GET", target: "http://127.0.0.1:4566/f", service: "lambda"},
		"odd headers":        {method: "GET", target: "http://lambda.local/f", service: "lambda", header: http.Header{"X-Amz-Client-Context": {"  a   b  "}, "X-Amz-Meta-X": {"1", "2"}}},
		"hash header":        {method: "PUT", target: "http://s3.local/bucket/key%20with%2Fslash", body: "data", service: "s3", header: http.Header{contentHashField: {hashOf("data")}}},
		"unsigned payload":   {method: "PUT", target: "http://s3.local/bucket/a+b", body: "data", service: "s3", header: http.Header{contentHashField: {unsignedPayload}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := signed(t, c.method, c.target, c.body, c.service, c.token, c.header)
			s, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKeyID != keyID || s.Region != "eu-central-1" || s.Service != c.service || s.SessionToken != c.token || s.Presigned {
				t.Errorf("parsed %+v", s)
			}
			if err := verify(r, secret, c.token, signedAt.Add(time.Minute)); err != nil {
				t.Errorf("verify: %v", err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != c.body {
				t.Errorf("the body came out as %q, %v", body, err)
			}
		})
	}
}

func TestWhatWasChangedOrIsOldIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *http.Request)
		secret string
		token  string
		now    time.Time
		code   string
		text   string
	}{
		"another secret": {secret: "other", code: "InvalidSignatureException", text: "does not match the signature you provided"},
		"another body": {code: "InvalidSignatureException", change: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"a":2}`))
		}},
		"another path":   {code: "InvalidSignatureException", change: func(r *http.Request) { r.URL.Path += "x" }},
		"another method": {code: "InvalidSignatureException", change: func(r *http.Request) { r.Method = "PUT" }},
		"another query":  {code: "InvalidSignatureException", change: func(r *http.Request) { r.URL.RawQuery = "Qualifier=1" }},
		"another header": {code: "InvalidSignatureException", change: func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "None") }},
		"another host":   {code: "InvalidSignatureException", change: func(r *http.Request) { r.Host = "elsewhere" }},
		"a header nobody signed": {code: "InvalidSignatureException", text: "must be a 'SignedHeader'", change: func(r *http.Request) {
			r.Header.Set("X-Amz-Invocation-Type", "Event")
		}},
		"a token nobody gave": {token: "needed", code: "UnrecognizedClientException", text: "security token"},
		"too old": {now: signedAt.Add(16 * time.Minute), code: "InvalidSignatureException",
			text: "Signature expired: 20261124T201500Z is now earlier than 20261124T201600Z (20261124T203100Z - 15 min.)"},
		"too new": {now: signedAt.Add(-16 * time.Minute), code: "InvalidSignatureException",
			text: "Signature not yet current: 20261124T201500Z is still later than 20261124T201400Z (20261124T195900Z + 15 min.)"},
		"another day in the scope": {code: "InvalidSignatureException", text: "Date in Credential scope", change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "20261124", "20261123", 1))
		}},
		"SigV4A": {code: "InvalidSignatureException", text: "AWS4-ECDSA-P256-SHA256", change: func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-ECDSA-P256-SHA256 Credential="+keyID+"/20261124/lambda/aws4_request, SignedHeaders=host, Signature=00")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := signed(t, "POST", "http://lambda.local/f", `{"a":1}`, "lambda", "", http.Header{"X-Amz-Log-Type": {"Tail"}})
			if c.change != nil {
				c.change(r)
			}
			s, now := secret, signedAt
			if c.secret != "" {
				s = c.secret
			}
			if !c.now.IsZero() {
				now = c.now
			}
			err := verify(r, s, c.token, now)
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(refused.Message, c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestABodyThatIsNotTheSignedOneFailsWhileItIsRead(t *testing.T) {
	for _, length := range []int64{-1, 5} {
		r := signed(t, "PUT", "http://s3.local/b/k", "right", "s3", "", http.Header{contentHashField: {hashOf("right")}})
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("wrong")), length
		r.Header.Del("Content-Length")
		s, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		s.SignedHeaders = nil // Content-Length among them was another
		r2 := r
		if _, err := s.payloadHash(r2, 1<<20); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 5)
		_, err = io.ReadFull(r2.Body, buf)
		if err == nil {
			_, err = r2.Body.Read(buf)
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "InvalidSignatureException" {
			t.Errorf("length %d: got %v", length, err)
		}
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	r := signed(t, "POST", "http://lambda.local/f", strings.Repeat("x", 100), "lambda", "", nil)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	var tooLarge *http.MaxBytesError
	if err := s.Verify(r, Credentials{Secret: secret}, signedAt, 99); !errors.As(err, &tooLarge) || tooLarge.Limit != 99 {
		t.Errorf("got %v", err)
	}
}

func presigned(t *testing.T, query string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://lambda.local/f?Qualifier=1"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hashOf(""), "lambda", "eu-central-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return overTheWire(t, got)
}

func TestAPresignedURLIsGoodForAsLongAsItSays(t *testing.T) {
	for _, c := range []struct {
		query string
		after time.Duration
		good  bool
	}{
		{"", 4 * time.Minute, true}, {"", 6 * time.Minute, false},
		{"&X-Amz-Expires=3600", 59 * time.Minute, true}, {"&X-Amz-Expires=3600", 61 * time.Minute, false},
	} {
		r := presigned(t, c.query)
		s, err := Parse(r)
		if err != nil || !s.Presigned || s.Service != "lambda" || s.AccessKeyID != keyID {
			t.Fatalf("parsed %+v, %v", s, err)
		}
		err = verify(r, secret, "", signedAt.Add(c.after))
		if (err == nil) != c.good {
			t.Errorf("%q after %s: %v", c.query, c.after, err)
		}
		r.URL.RawQuery += "&x=1"
		if verify(r, secret, "", signedAt) == nil {
			t.Error("a changed query verifies")
		}
	}
}

func TestWhatIsNoSignatureIsSaidSo(t *testing.T) {
	get := func(auth, date, query string) error {
		r := httptest.NewRequest(http.MethodGet, "/?"+query, nil)
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		_, err := Parse(r)
		return err
	}
	if err := get("", "", ""); !errors.Is(err, ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	const scope = "K/20261124/us-east-1/lambda/aws4_request"
	for name, c := range map[string]struct{ auth, date, query, text string }{
		"another scheme":    {auth: "Bearer x", text: "Authorization"},
		"nothing in it":     {auth: "AWS4-HMAC-SHA256", date: "20261124T201500Z", text: "requires 'Credential' parameter"},
		"no signature":      {auth: "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host", date: "20261124T201500Z", text: "requires 'Signature' parameter"},
		"no date":           {auth: "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host, Signature=0", text: "'X-Amz-Date' or a 'Date' header"},
		"a short scope":     {auth: "AWS4-HMAC-SHA256 Credential=K/20261124, SignedHeaders=host, Signature=0", date: "20261124T201500Z", text: "exactly 5 slash-delimited elements"},
		"another end":       {auth: "AWS4-HMAC-SHA256 Credential=K/20261124/r/s/aws3, SignedHeaders=host, Signature=0", date: "20261124T201500Z", text: "valid terminator"},
		"a bad date":        {auth: "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host, Signature=0", date: "yesterday", text: "ISO8601"},
		"half a query":      {query: "X-Amz-Credential=" + scope, text: "must include 'X-Amz-Algorithm'"},
		"a long expiry":     {query: "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + scope + "&X-Amz-Signature=0&X-Amz-SignedHeaders=host&X-Amz-Date=20261124T201500Z&X-Amz-Expires=604801", text: "X-Amz-Expires"},
		"another algorithm": {query: "X-Amz-Algorithm=MD5&X-Amz-Credential=" + scope + "&X-Amz-Signature=0&X-Amz-SignedHeaders=host&X-Amz-Date=20261124T201500Z", text: "Unsupported AWS 'algorithm'"},
	} {
		err := get(c.auth, c.date, c.query)
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "IncompleteSignatureException" || !strings.Contains(refused.Message, c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "Signature=0") {
			t.Errorf("%s: the message repeats the signature: %v", name, err)
		}
	}
}

func TestAMalformedSignatureStillTellsWhatItHolds(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/ap-south-1/lambda/aws4_request")
	s, err := Parse(r)
	if err == nil || s == nil || s.AccessKeyID != "test" || s.Region != "ap-south-1" || s.Service != "lambda" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=K/20261124/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20261124T201500Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20261124%2Fr%2Fs%2Faws4_request&X-Amz-Signature=0&X-Amz-SignedHeaders=host&X-Amz-Date=20261124T201500Z&X-Amz-Expires=60")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=K/20261124/s/aws4_request,SignedHeaders=;;,Signature=", "Tue, 24 Nov 2026 20:15:00 GMT", "%zz")
	f.Fuzz(func(t *testing.T, auth, date, query string) {
		r := &http.Request{Method: http.MethodGet, Host: "h", URL: &url.URL{Path: "/a b", RawQuery: query}, Header: http.Header{"Authorization": {auth}, "X-Amz-Date": {date}}, Body: http.NoBody}
		s, err := Parse(r)
		if s == nil && err == nil {
			t.Fatal("neither a signature nor an error")
		}
		if err == nil && s.Verify(r, Credentials{Secret: "s", SessionToken: s.SessionToken}, s.Time, 10) == nil {
			t.Fatal("a made-up signature verifies")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := httptest.NewRequest(http.MethodPost, "http://lambda.local/2015-03-31/functions/f/invocations", nil)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hashOf(""), "lambda", "us-east-1", signedAt)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, Credentials{Secret: secret}, signedAt, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
