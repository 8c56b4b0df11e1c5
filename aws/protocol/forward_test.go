package protocol

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// front serves a server that forwards, and ends both with the test.
func front(t *testing.T, forward map[string]*url.URL) *httptest.Server {
	t.Helper()
	s := NewServer(Options{Forward: forward})
	ts := httptest.NewServer(s)
	t.Cleanup(func() {
		ts.Close()
		s.Close()
		s.Close()
	})
	return ts
}

func parseURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A target checks the signature, so it must see what the client signed: the request
// line, Host and every header as they were.
func TestAForwardedRequestArrivesAsItWasSent(t *testing.T) {
	type seen struct{ uri, host, body string }
	var got seen
	var header http.Header
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, header = seen{r.RequestURI, r.Host, string(body)}, r.Header
		w.Header().Set("X-Amz-Request-Id", "theirs")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(target.Close)
	for prefix, want := range map[string]string{"": "", "/base": "/base", "/base/": "/base"} {
		front := front(t, map[string]*url.URL{"s3": parseURL(t, target.URL+prefix)})
		const path = "/bucket/a%2Fb%20c/../d?list-type=2&prefix=a;b&x=%zz&sp=a+b"
		conn, err := net.Dial("tcp", strings.TrimPrefix(front.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "PUT "+path+" HTTP/1.1\r\nHost: bucket.s3.local:4566\r\nAuthorization: "+auth("s3")+
			"\r\nUser-Agent: test/1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Amz-Meta-A: 1\r\nX-Amz-Meta-A: 2\r\nContent-Length: 4\r\n\r\nbody")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		conn.Close()
		if got != (seen{want + path, "bucket.s3.local:4566", "body"}) {
			t.Errorf("%q: the target saw %+v", prefix, got)
		}
		if header.Get("Authorization") != auth("s3") || header.Get("X-Forwarded-For") != "1.2.3.4" || header.Get("User-Agent") != "test/1" ||
			len(header["X-Amz-Meta-A"]) != 2 || header.Get("Accept-Encoding") != "" {
			t.Errorf("%q: the target saw headers %v", prefix, header)
		}
		if resp.StatusCode != http.StatusTeapot || string(body) != "answer" || resp.Header.Get("X-Amz-Request-Id") != "theirs" || resp.Header.Get("X-Amzn-RequestId") != "" {
			t.Errorf("%q: the client got %d %s %v", prefix, resp.StatusCode, body, resp.Header)
		}
	}
}

func TestForwardingStreamsBothWays(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, "echo "+line)
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(target.Close)
	front := front(t, map[string]*url.URL{"*": parseURL(t, target.URL)})
	pr, pw := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, front.URL+"/stream", pr)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", auth("transcribe"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	for _, line := range []string{"one\n", "two\n"} { // the second is sent after the first's echo
		if _, err := io.WriteString(pw, line); err != nil {
			t.Fatal(err)
		}
		if got, err := out.ReadString('\n'); err != nil || got != "echo "+line {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	pw.Close()
}

func TestATargetThatDoesNotAnswerIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + l.Addr().String()
	l.Close() // nobody listens there now
	h := NewServer(Options{Services: []*Service{permissive()}, Forward: map[string]*url.URL{"s3": parseURL(t, addr), "*": parseURL(t, addr)}})
	for service, contentType := range map[string]string{"s3": "application/xml", "xray": "application/json"} {
		got := do(t, h, "GET", "/b", "", "Authorization", auth(service))
		if got.status != 502 || !strings.Contains(got.body, addr) || !strings.Contains(got.body, service) || got.header.Get("Content-Type") != contentType {
			t.Errorf("%s: got %+v", service, got)
		}
	}
}

func TestATargetThatIsWickItselfIsALoopAndSaidSo(t *testing.T) {
	forward := map[string]*url.URL{}
	front := front(t, forward)
	forward["sqs"] = parseURL(t, front.URL)
	r, err := http.NewRequest(http.MethodGet, front.URL+"/q", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", auth("sqs"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusLoopDetected || !strings.Contains(string(body), "leads back to Wick itself") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestAServedServiceIsNotForwarded(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}, Forward: map[string]*url.URL{"*": parseURL(t, "http://127.0.0.1:1")}})
	if got := do(t, h, "GET", "/2015-03-31/functions/f", "", "Authorization", auth("lambda")); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	if got := do(t, h, "GET", "/2015-03-31/functions/f", ""); got.status != 200 {
		t.Errorf("unsigned: got %+v", got)
	}
}
