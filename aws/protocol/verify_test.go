package protocol

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/wick-run/wick/aws/sigv4"
)

// verifying is a server that knows two keys: a user's and a function's, whose
// session token is "token".
func verifying(t *testing.T, now time.Time) *httptest.Server {
	t.Helper()
	secrets := map[string]string{"AKIDUSER": "user secret", "ASIAFUNCTION": "function secret"}
	ts := httptest.NewServer(NewServer(Options{
		Services: []*Service{permissive()}, Verify: true, Now: func() time.Time { return now },
		Secret: func(_ context.Context, key, token string) (string, error) {
			secret, ok := secrets[key]
			switch {
			case !ok || (key == "ASIAFUNCTION") != (token != ""):
				return "", sigv4.UnknownKey()
			case token == "old token":
				return "", sigv4.ExpiredToken()
			case token != "" && token != "token":
				return "", sigv4.UnknownKey()
			}
			return secret, nil
		},
	}))
	t.Cleanup(ts.Close)
	return ts
}

func TestWithVerifyOnlyRightSignaturesPass(t *testing.T) {
	for name, c := range map[string]struct {
		provider aws.CredentialsProvider
		now      time.Time
		code     string
	}{
		"right":           {provider: credentials.NewStaticCredentialsProvider("AKIDUSER", "user secret", "")},
		"a function's":    {provider: credentials.NewStaticCredentialsProvider("ASIAFUNCTION", "function secret", "token")},
		"another token":   {provider: credentials.NewStaticCredentialsProvider("ASIAFUNCTION", "function secret", "other"), code: "UnrecognizedClientException"},
		"an old token":    {provider: credentials.NewStaticCredentialsProvider("ASIAFUNCTION", "function secret", "old token"), code: "ExpiredTokenException"},
		"no token":        {provider: credentials.NewStaticCredentialsProvider("ASIAFUNCTION", "function secret", ""), code: "UnrecognizedClientException"},
		"another secret":  {provider: credentials.NewStaticCredentialsProvider("AKIDUSER", "guess", ""), code: "InvalidSignatureException"},
		"an unknown key":  {provider: credentials.NewStaticCredentialsProvider("111122223333", "x", ""), code: "UnrecognizedClientException"},
		"unsigned":        {provider: aws.AnonymousCredentials{}, code: "MissingAuthenticationTokenException"},
		"an hour too old": {provider: credentials.NewStaticCredentialsProvider("AKIDUSER", "user secret", ""), now: time.Now().Add(time.Hour), code: "InvalidSignatureException"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.now.IsZero() {
				c.now = time.Now()
			}
			ts := verifying(t, c.now)
			client := lambda.New(lambda.Options{Region: "us-east-1", BaseEndpoint: &ts.URL, RetryMaxAttempts: 1, Credentials: c.provider})
			_, getErr := client.GetFunction(context.Background(), &lambda.GetFunctionInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f"), Qualifier: aws.String("$LATEST")})
			out, invokeErr := client.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"a":1}`)})
			for _, err := range []error{getErr, invokeErr} {
				code := ""
				var api smithy.APIError
				if errors.As(err, &api) {
					code = api.ErrorCode()
				}
				if code != c.code || err != nil && code == "" {
					t.Errorf("got %v", err)
				}
			}
			if c.code == "" && string(out.Payload) != `{"a":1}` {
				t.Errorf("the payload came back as %q", out.Payload)
			}
		})
	}
}
