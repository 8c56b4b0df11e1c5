package protocol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/sigv4"
)

// Options are what a Server is made of.
type Options struct {
	Services []*Service
	// Forward says where requests for services that aren't served go: by signing
	// name ("s3"), or "*" for all others. The target gets them as they were sent.
	Forward map[string]*url.URL
	// Local answers what is Wick's own, below /_wick/; nil for nothing.
	Local http.Handler
	// Log is the operator's; nil discards.
	Log *slog.Logger
	// DefaultRegion and DefaultAccount are for requests that don't say; "" means
	// wick's own defaults.
	DefaultRegion, DefaultAccount string
	// AccountOf tells the account of an access key, or ok false for an unknown one.
	AccountOf func(accessKeyID string) (account string, ok bool)
	// Verify refuses requests that aren't signed rightly. Without it any credentials
	// are taken, and none.
	Verify bool
	// Secret looks up what a key signs with; only asked when Verify is set. Its errors
	// are sigv4.UnknownKey, also for a session token that isn't the key's ("" is that
	// of long-term keys), or sigv4.ExpiredToken.
	Secret func(ctx context.Context, accessKeyID, sessionToken string) (string, error)
	// Now is the clock signatures are checked by; nil for the system's.
	Now func() time.Time
}

// Server is the front door: it gives each request an id, finds out who sent it and
// for which service, and hands it to that service, to another endpoint, or back
// with an error in the form its client reads.
type Server struct {
	o       Options
	byName  map[string]*Service
	forward *forwarder
}

// NewServer makes a server. Close it when no request is being served any more.
func NewServer(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DefaultAccount == "" {
		o.DefaultAccount = wick.DefaultAccount
	}
	if o.DefaultRegion == "" {
		o.DefaultRegion = wick.DefaultRegion
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, byName: make(map[string]*Service, len(o.Services)), forward: newForwarder(o.Forward)}
	for _, svc := range o.Services {
		s.byName[svc.model.SigningName] = svc
	}
	return s
}

// Close ends the idle connections to forward targets. It may be called twice.
func (s *Server) Close() { s.forward.transport.CloseIdleConnections() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.o.Local != nil && strings.HasPrefix(r.URL.Path, "/_wick/") {
		s.o.Local.ServeHTTP(w, r)
		return
	}
	call := &Call{
		RequestID: uuid.NewString(), ReceivedAt: s.o.Now(), log: s.o.Log,
		body: r.Body, waits: r.Header.Get("Expect") != "",
	}
	guard := &guardedWriter{ResponseWriter: w}
	defer s.recover(guard, call)
	call.header(w.Header())

	signature, parseErr := sigv4.Parse(r)
	call.identify(signature, &s.o)
	name, svc := s.route(r, signature)
	call.service, call.form = svc, formOf(r, name)
	if s.o.Verify {
		if err := s.verify(r, call, signature, parseErr); err != nil {
			WriteError(guard, call, err)
			return
		}
	}
	if svc != nil {
		svc.serve(guard, r, call)
		return
	}
	s.pass(guard, r, call, name)
}

// route finds the service a request is for: by its signature, by X-Amz-Target, by
// its path. The name is empty when nothing tells.
func (s *Server) route(r *http.Request, signature *sigv4.Signature) (string, *Service) {
	if signature != nil && signature.Service != "" {
		return signature.Service, s.byName[signature.Service]
	}
	if prefix, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		for name, svc := range s.byName {
			if svc.model.TargetPrefix == prefix {
				return name, svc
			}
		}
		return strings.ToLower(strings.SplitN(prefix, "_", 2)[0]), nil
	}
	for name, svc := range s.byName {
		if op, _ := svc.router.match(r); op != nil {
			return name, svc
		}
	}
	return s.routeUnsigned(r)
}

// verify checks a request's signature.
func (s *Server) verify(r *http.Request, call *Call, signature *sigv4.Signature, parseErr error) error {
	switch {
	case errors.Is(parseErr, sigv4.ErrUnsigned):
		return sigv4.Unsigned()
	case parseErr != nil:
		return parseErr
	}
	if s.o.Secret == nil {
		return sigv4.UnknownKey()
	}
	secret, err := s.o.Secret(r.Context(), signature.AccessKeyID, signature.SessionToken)
	if err != nil {
		return err
	}
	cred := sigv4.Credentials{Secret: secret, SessionToken: signature.SessionToken}
	if err := signature.Verify(r, cred, s.o.Now(), verifyBodyLimit); err != nil {
		return err
	}
	call.Identity.Verified = true
	return nil
}

// verifyBodyLimit bounds the body that is read ahead to check a signature: the
// largest one some operation takes.
const verifyBodyLimit = 80 << 20

// pass hands a request for a service that isn't served to where it is, or says how.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, call *Call, name string) {
	if target := s.forward.target(name); target != nil {
		s.forward.serve(w, r, call, name, target)
		return
	}
	if name == "" {
		WriteError(w, call, &wireError{
			code: "UnknownOperationException", status: http.StatusNotFound,
			message: fmt.Sprintf("%s %s is not an operation Wick knows, and the request names no service: it isn't signed.", r.Method, r.URL.Path),
		})
		return
	}
	WriteError(w, call, wick.Errorf(wick.NotBuilt, "Wick doesn't serve %s; start it with --forward %s=URL to pass these requests on", name, name))
}

// recover answers a request whose handler panicked.
func (s *Server) recover(w *guardedWriter, call *Call) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // a handler that means to cut the connection
	}
	s.o.Log.Error("handler panicked", "request", call.RequestID, "operation", call.Operation, "panic", p, "stack", string(debug.Stack()))
	if w.wrote {
		panic(http.ErrAbortHandler) // half an answer is out: cutting it is the only honest end
	}
	call.drain()
	// The connection may be gone; there is nobody else to tell.
	_ = call.form.write(w, call.RequestID, call.wire(fmt.Errorf("panic: %v", p)))
	call.drainAfter(w)
}

// guardedWriter knows whether an answer has begun.
type guardedWriter struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (w *guardedWriter) WriteHeader(status int) {
	w.wrote = w.wrote || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *guardedWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController what is below.
func (w *guardedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher, which streaming handlers look for.
func (w *guardedWriter) Flush() {
	w.wrote = true
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
