package journeys

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What keeps a server from starting is said in one line, with what to do about it.
func TestAServerThatCannotStartSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := start(t)
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.MkdirAll(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "wick.db"), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		say    string // a regular expression
	}{
		"the address is in use": {
			[]string{"--addr", taken.Addr().String()}, 1,
			`127\.0\.0\.1:\d+ is in use: end what listens there, or choose another address with --addr`,
		},
		"another wick has the data directory": {
			[]string{"--data-dir", inUse.DataDir}, 1, `is in use by another wick \(pid \d+\): stop it or choose another with --data-dir`,
		},
		"the data directory is a file": {
			[]string{"--data-dir", file}, 1, `--data-dir`,
		},
		"the database is damaged": {
			[]string{"--data-dir", damaged}, 1, `damaged.*restore it|restore it.*damaged|move it away`,
		},
		"others could reach it, without a key": {
			[]string{"--addr", "0.0.0.0:0"}, 1, `WICK_ACCESS_KEY_ID and WICK_SECRET_ACCESS_KEY, or listen on 127\.0\.0\.1`,
		},
		"no such isolation":   {[]string{"--isolation", "docker"}, 2, `--isolation is auto, linux or process, not "docker"`},
		"no amount of memory": {[]string{"--memory", "lots"}, 2, `"lots" is no number of bytes, such as 4GiB`},
		"no target":           {[]string{"--forward", "s3"}, 2, `"s3" is not SERVICE=URL`},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", filepath.Join(t.TempDir(), "data")}, c.args...)
			_, stderr := output(t, exec.Command(binary, args...), c.status)
			said := strings.Split(strings.TrimSpace(stderr), "\n")
			if !strings.HasPrefix(said[0], "wick: ") || !regexp.MustCompile(c.say).MatchString(said[0]) {
				t.Errorf("it said\n%s\nwant a line that matches %s", stderr, c.say)
			}
			if c.status == 1 && len(said) != 1 {
				t.Errorf("it said more than one line:\n%s", stderr)
			}
		})
	}
}

// What Wick doesn't serve goes to who does, from clients and functions alike; without a
// target the error names the flag.
func TestRequestsForOtherServicesAreForwarded(t *testing.T) {
	seen := make(chan *http.Request, 10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Content-Type", "application/xml")
		_, _ = w.Write([]byte(`<ListAllMyBucketsResult><Buckets><Bucket><Name>from-the-target</Name></Bucket></Buckets></ListAllMyBucketsResult>`))
	}))
	defer target.Close()
	buckets := func(s *server) (*s3.ListBucketsOutput, error) {
		c := s.client()
		return s3.New(s3.Options{
			BaseEndpoint: aws.String(s.URL), Region: "us-east-1", UsePathStyle: true,
			Credentials: c.Options().Credentials, Retryer: aws.NopRetryer{},
		}).ListBuckets(t.Context(), &s3.ListBucketsInput{})
	}
	const calls = `
import os
import urllib.request


def handler(event, context):
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + event["path"], headers={
        "Authorization": "AWS4-HMAC-SHA256 Credential=" + os.environ["AWS_ACCESS_KEY_ID"]
        + "/20260101/us-east-1/" + event["service"] + "/aws4_request, SignedHeaders=host, Signature=0"})
    return urllib.request.urlopen(request).read().decode()
`
	s := start(t, "--forward", "s3="+target.URL)
	out, err := buckets(s)
	if err != nil || len(out.Buckets) != 1 || aws.ToString(out.Buckets[0].Name) != "from-the-target" {
		t.Errorf("a client got %+v, %v", out, err)
	}
	if r := <-seen; !strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request") {
		t.Errorf("the target got the signature %q", r.Header.Get("Authorization"))
	}
	create(t, s.client(), "caller", calls)
	fromFunction := func(path, service string) string {
		t.Helper()
		event, err := json.Marshal(map[string]string{"path": path, "service": service})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.client().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("caller"), Payload: event})
		if err != nil {
			t.Fatal(err)
		}
		return string(out.Payload)
	}
	if got := fromFunction("/", "s3"); !strings.Contains(got, "from-the-target") {
		t.Errorf("a function got %s", got)
	}
	if got := fromFunction("/2015-03-31/functions/", "lambda"); !strings.Contains(got, `\"FunctionName\":\"caller\"`) {
		t.Errorf("a function that asked Wick itself got %s", got)
	}
	if got := fromFunction("/_wick/ps", "lambda"); strings.Contains(got, "instances") {
		t.Errorf("a function sees what is the operator's: %s", got)
	}

	if _, err := buckets(start(t)); err == nil || !strings.Contains(err.Error(), "--forward s3=URL") {
		t.Errorf("without a target a client got %v", err)
	}
}

func TestWithoutInjectedEndpointsTheEnvironmentIsAWSs(t *testing.T) {
	s := start(t, "--inject-endpoints=false")
	create(t, s.client(), "env", "import os\n\n\ndef handler(event, context):\n    return 'AWS_ENDPOINT_URL' in os.environ\n")
	out, err := s.client().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("env")})
	if err != nil || string(out.Payload) != "false" {
		t.Errorf("answered %s, %v", out.Payload, err)
	}
}

// A web page that happens to be open in a browser can't use the server.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	s := start(t)
	for origin, want := range map[string]int{
		"https://example.com": 403, "null": 403, "http://127.0.0.1.example.com": 403,
		"http://localhost:3000": 200, "http://127.0.0.1:8080": 200, "": 200,
	} {
		resp, body := send(t, http.MethodGet, s.URL+"/2015-03-31/functions/", "", http.Header{"Origin": {origin}})
		if resp.StatusCode != want {
			t.Errorf("with Origin %q: %d %s, want %d", origin, resp.StatusCode, body, want)
		}
	}
}

// With a key, only requests signed with it pass, whatever the address.
func TestWithAKeyRequestsMustBeSigned(t *testing.T) {
	s := start(t, "--access-key-id", "AKIDOPERATOR", "--secret-access-key", "a secret")
	try := func(key, secret string) error {
		c := lambda.New(lambda.Options{
			BaseEndpoint: aws.String(s.URL), Region: "us-east-1", Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
			}),
		})
		_, err := c.ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
		return err
	}
	if err := try("AKIDOPERATOR", "a secret"); err != nil {
		t.Errorf("the right key was refused: %v", err)
	}
	if err := try("AKIDOPERATOR", "a guess"); err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("a wrong secret: %v", err)
	}
	if err := try("AKIDOTHER", "a secret"); err == nil || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("another key: %v", err)
	}
	if status, body := get(t, s.URL+"/2015-03-31/functions/"); status != 403 {
		t.Errorf("an unsigned request was answered %d %s", status, body)
	}
}
