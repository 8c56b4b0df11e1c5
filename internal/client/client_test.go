package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// environment makes a getenv of NAME=VALUE strings.
func environment(vars ...string) func(string) string {
	return func(name string) string {
		for _, v := range vars {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value
			}
		}
		return ""
	}
}

// clientOf returns a client of a server that answers with handle.
func clientOf(t *testing.T, handle http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	c, err := New(s.URL, environment())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheEndpointIsTheFirstThatIsNamed(t *testing.T) {
	for _, c := range []struct {
		flag string
		env  []string
		want string // "" when it is refused
	}{
		{"", nil, "http://127.0.0.1:4566"},
		{"", []string{"AWS_ENDPOINT_URL=http://a:1"}, "http://a:1"},
		{"", []string{"AWS_ENDPOINT_URL=http://a:1", "WICK_ENDPOINT=http://b:2/"}, "http://b:2"},
		{"https://c:3", []string{"WICK_ENDPOINT=http://b:2"}, "https://c:3"},
		{"d:4", nil, "http://d:4"},
		{"ftp://e:5", nil, ""},
		{"http://", nil, ""},
		{"http://%zz", nil, ""},
	} {
		got, err := New(c.flag, environment(c.env...))
		switch {
		case c.want == "" && err == nil:
			t.Errorf("flag %q: %s was accepted", c.flag, got.Endpoint)
		case c.want != "" && (err != nil || got.Endpoint != c.want):
			t.Errorf("flag %q, environment %v: %v, %v; want %s", c.flag, c.env, got, err, c.want)
		}
	}
}

func TestRegionAndCredentialsAreTheEnvironmentsOrPlaceholders(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want string // in the Authorization header
	}{
		{nil, "Credential=wick/*/us-east-1/lambda"},
		{[]string{"AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AK", "AWS_SECRET_ACCESS_KEY=SK"}, "Credential=AK/*/eu-west-1/lambda"},
		{[]string{"AWS_REGION=eu-north-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AK"}, "Credential=wick/*/eu-north-1/lambda"},
	} {
		var got string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("Authorization")
			fmt.Fprint(w, "{}")
		}))
		client, err := New(s.URL, environment(c.env...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Lambda.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		before, after, _ := strings.Cut(c.want, "*")
		if !strings.Contains(got, before) || !strings.Contains(got, after) {
			t.Errorf("environment %v: signed %s, want %s", c.env, got, c.want)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := New(closed.Addr().String(), environment())
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	refusing := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"Type":"User","Message":"Function not found: f"}`)
	})
	website := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<html>not here</html>")
	})
	talkative := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") })
	invoke := func(c *Client) error {
		_, err := c.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")})
		return c.Explain(err)
	}
	health := func(c *Client) error {
		_, err := c.Health(t.Context())
		return err
	}
	unreachable := "no Wick at " + nobody.Endpoint + ": start it with `wick serve`, or name another with --endpoint"
	for _, c := range []struct {
		what string
		err  error
		want string // in the error
	}{
		{"no server, through the SDK", invoke(nobody), unreachable},
		{"no server", health(nobody), unreachable},
		{"AWS's refusal", invoke(refusing), "Function not found: f (ResourceNotFoundException)"},
		{"a refusal of /_wick/", health(refusing), refusing.Endpoint + ": Function not found: f"},
		{"some website's 404", health(website), "404 Not Found: <html>not here</html>"},
		{"some website", health(talkative), "is it a Wick of another version?"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, c.err, c.want)
		}
	}
	var u *UnreachableError
	if !errors.As(health(nobody), &u) {
		t.Error("no server is not an UnreachableError")
	}
}

func TestLogsAsksForWhatIsWantedAndReadsRecordByRecord(t *testing.T) {
	var query string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		fmt.Fprint(w, `{"timestamp":1,"stream":"s","requestId":"r","message":"one\n"}`+"\n\n"+`{"timestamp":2,"stream":"s","message":"two"}`)
	})
	var got []string
	err := c.Logs(t.Context(), LogQuery{Function: "f", Since: time.UnixMilli(5), Until: time.UnixMilli(9), RequestID: "r", Limit: 3}, func(r LogRecord) error {
		got = append(got, r.Message)
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"one\n", "two"}) {
		t.Errorf("read %q, %v", got, err)
	}
	if want := "function=f&limit=3&request=r&since=5&until=9"; query != want {
		t.Errorf("asked for %s, want %s", query, want)
	}
	boom := errors.New("boom")
	if err := c.Logs(t.Context(), LogQuery{Function: "f"}, func(LogRecord) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("the reader's error is %v", err)
	}
	broken := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{") })
	if err := broken.Logs(t.Context(), LogQuery{Function: "f"}, func(LogRecord) error { return nil }); err == nil || !strings.Contains(err.Error(), "isn't JSON") {
		t.Errorf("the error of a broken record is %v", err)
	}
}

func TestFollowingALogEndsWithItsContextAndWithoutError(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"timestamp":1,"stream":"s","message":"one"}`)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records := 0
	err := c.Logs(ctx, LogQuery{Function: "f", Follow: true}, func(LogRecord) error {
		records++
		cancel()
		return nil
	})
	if err != nil || records != 1 {
		t.Errorf("%d records, %v; want 1 and no error", records, err)
	}
}

func TestInstancesAndRuntimesAreDecoded(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_wick/ps":
			fmt.Fprint(w, `{"instances":[{"id":"i","function":"f","state":"idle","ageNanos":5}],"ahead":[{"id":"a","runtime":"node"}]}`)
		case "/_wick/runtimes":
			fmt.Fprint(w, `[{"runtime":"python3.12","language":"python","exact":true}]`)
		}
	})
	is, err := c.Instances(t.Context())
	if err != nil || len(is.Instances) != 1 || is.Instances[0].Function != "f" || is.Instances[0].Age != 5 || len(is.Ahead) != 1 {
		t.Errorf("instances are %+v, %v", is, err)
	}
	rs, err := c.Runtimes(t.Context())
	if err != nil || len(rs) != 1 || rs[0].Runtime != "python3.12" || !rs[0].Exact {
		t.Errorf("runtimes are %+v, %v", rs, err)
	}
}
