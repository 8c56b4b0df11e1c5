package main

import (
	"errors"
	"net"
	"net/http"
)

// inside is the server of the API as functions see it. Instances get it when they are
// booted, which some are before the API is there to answer.
type inside struct {
	*http.Server
	answers chan struct{} // closed when handler is set
	handler http.Handler
}

// openInside makes the server that instances get.
func (s *server) openInside() {
	in := &inside{answers: make(chan struct{})}
	in.Server = s.newHTTPServer(in)
	in.BaseContext = withHeld
	s.inside = in
	s.opened(in.Close)
}

// answer has requests answered by h from now on; it is called once.
func (in *inside) answer(h http.Handler) {
	in.handler = h
	close(in.answers)
}

// ServeHTTP implements http.Handler.
func (in *inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-in.answers:
		in.handler.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

// serveInside serves the API on a socket inside an instance until that is closed.
func (s *server) serveInside(ln net.Listener) {
	if err := s.inside.Serve(ln); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Error("the API inside an instance ended", "error", err)
	}
}
