package journeys

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// send makes a request that nobody signed.
func send(t *testing.T, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func TestUnsignedRequestsWorkOnLoopback(t *testing.T) {
	s := start(t)
	functions := s.URL + "/2015-03-31/functions"
	create := func(name string) (*http.Response, string) {
		request, err := json.Marshal(map[string]any{
			"FunctionName": name, "Runtime": "python3.12", "Handler": "app.handler",
			"Role": "arn:aws:iam::000000000000:role/journey",
			"Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(zipped(t, map[string]string{"app.py": pythonSource("1")}))},
		})
		if err != nil {
			t.Fatal(err)
		}
		return send(t, http.MethodPost, functions, string(request), http.Header{"Content-Type": {"application/json"}})
	}
	if resp, body := create("plain"); resp.StatusCode != http.StatusCreated {
		t.Fatalf("CreateFunction: status %d: %s", resp.StatusCode, body)
	}
	active(t, s.client(), "plain")

	resp, body := send(t, http.MethodPost, functions+"/plain/invocations", `{"n":1}`, http.Header{"X-Amz-Log-Type": {"Tail"}})
	if resp.StatusCode != http.StatusOK || body != `{"edition": 1, "event": {"n": 1}}` {
		t.Errorf("Invoke: status %d: %s", resp.StatusCode, body)
	}
	for header, pattern := range map[string]string{
		"X-Amzn-Requestid":               `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
		"X-Amz-Executed-Version":         `^\$LATEST$`,
		"X-Amzn-Trace-Id":                `^Root=1-[0-9a-f]{8}-[0-9a-f]{24}`,
		"X-Amz-Log-Result":               `^[A-Za-z0-9+/]+=*$`,
		"X-Amzn-Remapped-Content-Length": `^0$`,
		"X-Amz-Function-Error":           `^$`,
	} {
		if got := resp.Header.Get(header); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("header %s is %q, want %s", header, got, pattern)
		}
	}

	resp, body = send(t, http.MethodGet, functions+"/none", "", nil)
	if resp.StatusCode != http.StatusNotFound || resp.Header.Get("X-Amzn-Errortype") != "ResourceNotFoundException" ||
		!strings.Contains(body, `"Function not found: arn:aws:lambda:us-east-1:000000000000:function:none"`) {
		t.Errorf("GetFunction of none: status %d, %s: %s", resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), body)
	}
}

func TestCurlInvokesAFunction(t *testing.T) {
	need(t, "curl")
	s := start(t)
	create(t, s.client(), "curled", pythonSource("1"))
	stdout, _ := output(t, exec.Command("curl", "-sS", "--fail-with-body", "-d", `{"from":"curl"}`, s.URL+"/2015-03-31/functions/curled/invocations"), 0)
	if want := `{"edition": 1, "event": {"from": "curl"}}`; stdout != want {
		t.Errorf("curl printed %s, want %s", stdout, want)
	}
}

func TestFunctionsAreKnownAgainAfterARestartAndAfterKill9(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := startIn(t, dir)
	create(t, s.client(), "kept", pythonSource("1"))
	s.stop(t)

	s = startIn(t, dir)
	wantAnswer(t, invoke(t, s.client(), "kept", `{}`), `{"edition":1,"event":{}}`)
	create(t, s.client(), "kept-too", pythonSource("2"))
	left := s.belongings(t)
	s.kill(t)

	s = startIn(t, dir)
	wantAnswer(t, invoke(t, s.client(), "kept", `{}`), `{"edition":1,"event":{}}`)
	sweeps(t, left)
	wantAnswer(t, invoke(t, s.client(), "kept-too", `{}`), `{"edition":2,"event":{}}`)
}
