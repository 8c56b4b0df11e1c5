package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheRequestsOfOneInstanceAreBoundedTogether(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	serve := func() (url string) {
		ts := httptest.NewUnstartedServer(boundBodies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-leave
		})))
		ts.Config.BaseContext = withHeld
		ts.Start()
		t.Cleanup(ts.Close)
		return ts.URL
	}
	// post sends the head of a request of a size, and no more of it than a byte.
	post := func(url string, size int64) <-chan int {
		status := make(chan int, 1)
		body, w := io.Pipe()
		t.Cleanup(func() { _ = w.Close() })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = size
		go func() {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				status <- 0
				return
			}
			_ = resp.Body.Close()
			status <- resp.StatusCode
		}()
		return status
	}
	one, other := serve(), serve()
	post(one, insideBodies-1)
	<-entered
	if got := <-post(one, 2); got != http.StatusServiceUnavailable {
		t.Errorf("a request beyond the bound was answered %d", got)
	}
	post(other, 2)
	<-entered // another instance has a bound of its own
	post(one, 1)
	<-entered // what fits is let through
	close(leave)
}

func TestOnlyPagesOfThisMachineMayAsk(t *testing.T) {
	h := otherSites(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	for origin, in := range map[string]bool{
		"": true, "http://localhost:3000": true, "http://127.0.0.1": true, "http://[::1]:8080": true,
		"https://example.com": false, "null": false, "http://localhost.example.com": false, "::": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String() == "in"; got != in {
			t.Errorf("Origin %q: let in %t, want %t (%s)", origin, got, in, w.Body)
		}
	}
}
