package lambda

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/aws/protocol"
	"github.com/wick-run/wick/code"
	"github.com/wick-run/wick/control"
	"github.com/wick-run/wick/invoke"
)

// Invoker runs functions; *invoke.Invoker is one. Its ctx ends the waiting for an
// instance, never a running invocation.
type Invoker interface {
	Invoke(ctx context.Context, req *invoke.Request) (*invoke.Result, error)
	// Start is Invoke for who doesn't wait: done is called once, by any goroutine and
	// perhaps before Start returns, and must not wait for anything.
	Start(ctx context.Context, req *invoke.Request, done func(*invoke.Result, error))
}

// Options configure the API. Control, Invoker and Code are needed.
type Options struct {
	Control *control.Control
	Invoker Invoker
	Code    *code.Store
	// Secret signs download addresses; nil makes one up, so that addresses end with
	// the process.
	Secret []byte
	Log    *slog.Logger
	Now    func() time.Time
}

// API serves Lambda's operations.
type API struct {
	o       Options
	service *protocol.Service
}

// New returns the API with every operation it has registered.
func New(o Options) *API {
	if o.Secret == nil {
		o.Secret = make([]byte, 32)
		if _, err := rand.Read(o.Secret); err != nil {
			panic("lambda: no randomness: " + err.Error()) // crypto/rand never fails on systems Go runs on
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{o: o, service: protocol.NewService(models.Lambda())}
	s := a.service
	protocol.Handle(s, "CreateFunction", a.createFunction)
	protocol.Handle(s, "GetFunction", a.getFunction)
	protocol.Handle(s, "GetFunctionConfiguration", a.getFunctionConfiguration)
	protocol.Handle(s, "ListFunctions", a.listFunctions)
	protocol.Handle(s, "UpdateFunctionCode", a.updateFunctionCode)
	protocol.Handle(s, "UpdateFunctionConfiguration", a.updateFunctionConfiguration)
	protocol.Handle(s, "DeleteFunction", a.deleteFunction)
	protocol.Handle(s, "GetAccountSettings", a.getAccountSettings)
	protocol.Handle(s, "ListTags", a.listTags)
	protocol.Handle(s, "TagResource", a.tagResource)
	protocol.Handle(s, "UntagResource", a.untagResource)
	protocol.Handle(s, "PublishLayerVersion", a.publishLayerVersion)
	protocol.Handle(s, "GetLayerVersion", a.getLayerVersion)
	protocol.Handle(s, "GetLayerVersionByArn", a.getLayerVersionByArn)
	protocol.Handle(s, "DeleteLayerVersion", a.deleteLayerVersion)
	protocol.Handle(s, "ListLayers", a.listLayers)
	protocol.Handle(s, "ListLayerVersions", a.listLayerVersions)
	s.HandleRaw("Invoke", a.invoke)
	return a
}

// Service returns the API for a protocol server.
func (a *API) Service() *protocol.Service { return a.service }

// Handler serves package downloads below /_wick/code/ and hands every other request
// to next (the protocol server), which thereby knows the address its client used:
// GetFunction puts it into Code.Location, and what publishes or gets a layer's version into
// Content.Location.
func (a *API) Handler(next http.Handler) http.Handler {
	downloads := a.CodeHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.URL.Path) > len(codePath) && r.URL.Path[:len(codePath)] == codePath:
			downloads.ServeHTTP(w, r)
		case namesAddresses(r): // invocations are spared the copy
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), baseKey{}, baseOf(r))))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
