package logs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

// serve returns the URL of a server with the log's handler.
func serve(t *testing.T, l *Logs) string {
	t.Helper()
	server := httptest.NewServer(l.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return server.URL
}

func get(t *testing.T, url string) (status int, lines []string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := bufio.NewScanner(response.Body)
	for body.Scan() {
		lines = append(lines, body.Text())
	}
	if err := body.Err(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, lines
}

func TestTheHandlerSendsALineARecord(t *testing.T) {
	store := openStore(t)
	own := storetest.NewFunction("own-group")
	own.Logging.Group = "custom"
	for _, f := range []*wick.Function{storetest.NewFunction("silent"), own} {
		if err := store.CreateFunction(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	l := openLogs(t, Options{Store: store, Functions: store})
	src := source("stream")
	line(l, noon, src, "r1", "<one> & \"more\"")
	line(l, noon.Add(time.Second), src, "", "two")
	custom := source("c")
	custom.LogGroup = "custom"
	line(l, noon, custom, "", "custom")
	url := serve(t, l) + "/_wick/logs?"

	one := fmt.Sprintf(`{"timestamp":%d,"stream":"stream","requestId":"r1","message":"<one> & \"more\"\n"}`, noon.UnixMilli())
	two := fmt.Sprintf(`{"timestamp":%d,"stream":"stream","message":"two\n"}`, noon.UnixMilli()+1000)
	three := fmt.Sprintf(`{"timestamp":%d,"stream":"c","message":"custom\n"}`, noon.UnixMilli())
	for _, tt := range []struct {
		query  string
		status int
		want   []string
	}{
		{"function=hello", 200, []string{one, two}},
		{"function=hello:$LATEST", 200, []string{one, two}},
		{"function=arn:aws:lambda:us-east-1:000000000000:function:hello", 200, []string{one, two}},
		{"group=/aws/lambda/hello&region=us-east-1&account=000000000000", 200, []string{one, two}},
		{"function=hello&since=2026-11-24T12:00:00.5Z", 200, []string{two}},
		{fmt.Sprintf("function=hello&since=%d", noon.UnixMilli()+1), 200, []string{two}},
		{"function=hello&until=2026-11-24T12:00:01Z", 200, []string{one}},
		{"function=hello&since=87600h", 200, []string{one, two}},
		{"function=hello&request=r1", 200, []string{one}},
		{"function=hello&limit=1", 200, []string{two}},
		{"function=hello&filter=one", 200, []string{one}},
		{"function=hello&filter=%3Fone+%3Ftwo&limit=1", 200, []string{two}},
		{"function=hello&filter=one&limit=1", 200, []string{one}},
		{"function=hello&filter=%5B", 400, []string{`{"message":"Invalid filter pattern: a comma or ] is missing at \"\" in ["}`}},
		{"function=hello&stream=other", 200, nil},
		{"function=silent", 200, nil},
		{"function=own-group", 200, []string{three}},
		{"function=missing", 404, []string{`{"message":"there is no function missing"}`}},
		{"function=hello&region=eu-central-1", 404, []string{`{"message":"there is no function hello"}`}},
		{"group=missing", 404, []string{`{"message":"there is no log group missing"}`}},
		{"", 400, []string{`{"message":"say whose log: function=NAME or group=NAME"}`}},
		{"function=hello&group=x", 400, []string{`{"message":"function and group exclude each other"}`}},
		{"function=hello&since=yesterday", 400, []string{`{"message":"since=yesterday is no time: give 2006-01-02T15:04:05Z, or how long ago, such as 5m"}`}},
		{"function=hello&limit=0", 400, []string{`{"message":"limit=0 is no number above 0"}`}},
		{"function=hello&follow=maybe", 400, []string{`{"message":"follow=maybe is neither 1 nor 0"}`}},
		{"function=hello&follow=1&until=1s", 400, []string{`{"message":"follow and until exclude each other"}`}},
		{"function=hello&pattern=x", 400, []string{`{"message":"there is no parameter \"pattern\""}`}},
	} {
		status, lines := get(t, url+tt.query)
		if status != tt.status || fmt.Sprint(lines) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %d %s\nwant %d %s", tt.query, status, lines, tt.status, tt.want)
		}
	}
	response, err := http.Post(url+"function=hello", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %s", response.Status)
	}
}

func TestTheHandlerFollows(t *testing.T) {
	l := openLogs(t, Options{})
	src := source("stream")
	line(l, noon, src, "r1", "first")
	url := serve(t, l) + "/_wick/logs?function=hello&follow=true"
	open := func(ctx context.Context) *json.Decoder {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return json.NewDecoder(response.Body)
	}
	next := func(d *json.Decoder) string {
		var got logLine
		if err := d.Decode(&got); err != nil {
			return err.Error()
		}
		return got.Message
	}
	ctx, cancel := context.WithCancel(t.Context())
	leaving, staying := open(ctx), open(t.Context())
	for _, text := range []string{"first\n", "second\n", "third\n"} {
		for _, d := range []*json.Decoder{leaving, staying} {
			if got := next(d); got != text {
				t.Fatalf("%q, want %q", got, text)
			}
		}
		switch text {
		case "first\n":
			line(l, noon, src, "r1", "second")
		case "second\n":
			line(l, noon, src, "r1", "third")
		}
	}
	cancel()
	awaitWatches(t, l, 1)
	line(l, noon, src, "r1", "fourth")
	if got := next(staying); got != "fourth\n" {
		t.Errorf("after the other has gone: %q", got)
	}
	l.StopFollowing()
	if got := next(staying); got != io.EOF.Error() {
		t.Errorf("at the end: %q", got)
	}
}
