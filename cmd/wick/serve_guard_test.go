package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheRequestsOfOneInstanceAreBoundedTogether(t *testing.T) {
	one, other := withHeld(nil), withHeld(nil)
	// during runs while a request is in the handler; requests nest.
	var during []func()
	h := boundBodies(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		next := during[0]
		during = during[1:]
		next()
	}))
	post := func(instance context.Context, size int64, then func()) int {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody).WithContext(instance)
		r.ContentLength = size
		during = append([]func(){then}, during...)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	nothing := func() {}
	post(one, insideBodies-1, func() {
		if got := post(one, 2, nothing); got != http.StatusServiceUnavailable {
			t.Errorf("a request beyond the bound was answered %d", got)
		}
		during = nil
		if got := post(one, 1, nothing); got != http.StatusOK {
			t.Errorf("one that fits was answered %d", got)
		}
		if got := post(other, 2, nothing); got != http.StatusOK {
			t.Errorf("one of another instance was answered %d", got)
		}
	})
	if got := post(one, insideBodies, nothing); got != http.StatusOK {
		t.Errorf("when the others had ended, one was answered %d", got)
	}
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
