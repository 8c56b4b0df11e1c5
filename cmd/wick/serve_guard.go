package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// otherSites refuses what a browser sends for a page of some web site. Without
// signatures whoever is on this machine is welcome, but a page that happens to be open
// isn't somebody.
func otherSites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && !loopbackOrigin(origin) {
			http.Error(w, fmt.Sprintf("requests of web pages are taken from pages of this machine only, not from %q", origin), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

const (
	// insideBodies is what requests of one instance may hold in memory together, and
	// insideUnknown what one that doesn't say its length counts for.
	insideBodies  = 128 << 20
	insideUnknown = 8 << 20
)

// heldKey finds what an instance's requests hold, in their context.
type heldKey struct{}

// withHeld is the context of all requests that come from one instance's socket.
func withHeld(net.Listener) context.Context {
	return context.WithValue(context.Background(), heldKey{}, new(atomic.Int64))
}

// boundBodies refuses requests of an instance while too much of its others' is in
// memory. It needs a server whose BaseContext is withHeld.
func boundBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held, ok := r.Context().Value(heldKey{}).(*atomic.Int64)
		if !ok {
			http.Error(w, "this server isn't one for instances", http.StatusInternalServerError)
			return
		}
		n := r.ContentLength
		if n < 0 {
			n = insideUnknown
			r.Body = http.MaxBytesReader(w, r.Body, n)
		}
		defer held.Add(-n)
		if held.Add(n) > insideBodies {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many large requests of this function at a time", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}
