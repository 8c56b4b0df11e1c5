// Package client is how Wick's own commands talk to a Wick server: AWS's Lambda and
// X-Ray APIs through the official SDK, and the few endpoints under /_wick/ that AWS has no
// operation for. It finds the server, supplies credentials where there are none, and
// turns failures into words that say what to do.
//
// Package main in cmd/wick is the caller. Anybody else needs no package of ours: any
// Lambda client will do.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/wick-run/wick"
)

// DefaultEndpoint is where wick serve listens unless it is told otherwise.
const DefaultEndpoint = "http://127.0.0.1:4566"

// Client talks to one server.
type Client struct {
	// Endpoint is the server's base URL, without a slash at its end.
	Endpoint string
	// Lambda is AWS's own client, pointed at Endpoint. It does not retry: a person at
	// a terminal wants to see the first answer.
	Lambda *lambda.Client
	// XRay is the same for traces.
	XRay *xray.Client

	http *http.Client
}

// New makes a client for the server at endpoint; when that is empty, at WICK_ENDPOINT,
// AWS_ENDPOINT_URL or DefaultEndpoint, as getenv has them. Region and credentials are
// those of the environment (AWS_REGION, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, …), else
// us-east-1 and a placeholder that a server on loopback accepts. New connects to nothing.
func New(endpoint string, getenv func(string) string) (*Client, error) {
	base, err := findEndpoint(endpoint, getenv)
	if err != nil {
		return nil, err
	}
	c := &Client{
		Endpoint: base,
		// No overall time-out: an invocation may take 15 minutes and a followed log for
		// ever. Connecting, though, is quick or hopeless.
		http: &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			ForceAttemptHTTP2:   true,
		}},
	}
	region := first(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), wick.DefaultRegion)
	provider := aws.CredentialsProviderFunc(credentials(getenv))
	c.Lambda = lambda.New(lambda.Options{
		BaseEndpoint: aws.String(base), Region: region, Credentials: provider, HTTPClient: c.http, Retryer: aws.NopRetryer{},
	})
	c.XRay = xray.New(xray.Options{
		BaseEndpoint: aws.String(base), Region: region, Credentials: provider, Retryer: aws.NopRetryer{},
		HTTPClient: &http.Client{Transport: ownBodies{c.http.Transport}},
	})
	return c, nil
}

func findEndpoint(endpoint string, getenv func(string) string) (string, error) {
	endpoint = first(endpoint, getenv("WICK_ENDPOINT"), getenv("AWS_ENDPOINT_URL"), DefaultEndpoint)
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("the endpoint %q is no URL such as %s", endpoint, DefaultEndpoint)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func credentials(getenv func(string) string) func(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		c = aws.Credentials{AccessKeyID: "wick", SecretAccessKey: "wick"}
	}
	return func(context.Context) (aws.Credentials, error) { return c, nil }
}

// first returns the first of vs that isn't empty.
func first(vs ...string) string {
	for _, v := range vs {
		if v != "" {
			return v
		}
	}
	return ""
}

// Health is a server's word that it serves.
type Health struct {
	Status     string `json:"status"`
	Version    string `json:"version"`
	PID        int    `json:"pid"`
	Goroutines int    `json:"goroutines"`
}

// Health asks the server whether it serves.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	err := c.getJSON(ctx, "/_wick/health", nil, &h)
	return h, err
}

// Instances is what lives on a server.
type Instances struct {
	Instances []wick.InstanceStatus `json:"instances"` // of functions
	Ahead     []wick.InstanceStatus `json:"ahead"`     // made ahead, of no function yet
}

// Instances lists the instances that live on the server.
func (c *Client) Instances(ctx context.Context) (Instances, error) {
	var is Instances
	err := c.getJSON(ctx, "/_wick/ps", nil, &is)
	return is, err
}

// Runtime is a Lambda runtime and what runs it on the server's machine.
type Runtime struct {
	Runtime    string `json:"runtime"` // as AWS names it, e.g. python3.12
	Language   string `json:"language"`
	Deprecated bool   `json:"deprecated,omitempty"` // functions can't be created with it at AWS any more
	// Status is exact, near (another version of the language runs it), own (functions
	// bring their program) or missing.
	Status  string `json:"status"`
	Version string `json:"version,omitempty"` // of the interpreter; "" for provided
	Exact   bool   `json:"exact"`             // the interpreter is of the version the runtime names
	Bin     string `json:"bin,omitempty"`     // the interpreter's path on the machine
	Source  string `json:"source,omitempty"`  // what installed it, or where it was found
	SDK     string `json:"sdk,omitempty"`     // the version of the AWS SDK in /var/runtime; "" when there is none
	Advice  string `json:"advice,omitempty"`  // what to do about a runtime that is missing
}

// The values of Runtime.Status.
const (
	RuntimeExact   = "exact"
	RuntimeNear    = "near"
	RuntimeOwn     = "own"
	RuntimeMissing = "missing"
)

// Runtimes lists every runtime there is and what the server runs it with, by language and
// newest first.
func (c *Client) Runtimes(ctx context.Context) ([]Runtime, error) {
	var rs []Runtime
	err := c.getJSON(ctx, "/_wick/runtimes", nil, &rs)
	return rs, err
}

// RefreshRuntimes is Runtimes after the server has looked again for what there is.
func (c *Client) RefreshRuntimes(ctx context.Context) ([]Runtime, error) {
	body, err := c.do(ctx, http.MethodPost, "/_wick/runtimes", nil)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // only read
	var rs []Runtime
	if err := json.NewDecoder(body).Decode(&rs); err != nil {
		return nil, fmt.Errorf("%s answered what isn't Wick's: %w; is it a Wick of another version?", c.Endpoint, err)
	}
	return rs, nil
}

// RuntimesFolder returns the folder of the server's machine that it keeps interpreters and
// SDKs in: runtimes.Options.Dir.
func (c *Client) RuntimesFolder(ctx context.Context) (string, error) {
	var answer struct {
		Folder string `json:"folder"`
	}
	err := c.getJSON(ctx, "/_wick/runtimes/folder", nil, &answer)
	return answer.Folder, err
}

// getJSON decodes the answer to GET path into v.
func (c *Client) getJSON(ctx context.Context, path string, query url.Values, v any) error {
	body, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("%s%s answered what isn't Wick's: %w; is it a Wick of another version?", c.Endpoint, path, err)
	}
	return nil
}

// get returns the body of a 200 answer to GET path, which the caller closes.
func (c *Client) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path, query)
}

// do is get for any method.
func (c *Client) do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	address := c.Endpoint + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.Explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // enough for any message of ours
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s answered %s", address, resp.Status), err)
	}
	words := message(text)
	if resp.StatusCode < 500 && words != strings.TrimSpace(string(text)) {
		return nil, fmt.Errorf("%s: %s", c.Endpoint, words) // a refusal of Wick's says all there is
	}
	return nil, fmt.Errorf("%s answered %s: %s", c.Endpoint+path, resp.Status, words)
}

// message finds the words in an error's body: AWS's {"message"} or plain text.
func message(body []byte) string {
	var form struct{ Message string } // decoding ignores case, as AWS's spellings need
	if json.Unmarshal(body, &form) == nil && form.Message != "" {
		return form.Message
	}
	return strings.TrimSpace(string(body))
}
