package protocol

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// forwarder passes requests on to other endpoints as they were sent: path, query,
// Host and Authorization stay, so that the target can check the signature.
type forwarder struct {
	targets   map[string]*url.URL
	transport *http.Transport
	// via marks what was passed on by this process, to break loops.
	via string
}

func newForwarder(targets map[string]*url.URL) *forwarder {
	// No proxy from the environment and no compression of our own: the bytes are the
	// client's.
	return &forwarder{targets: targets, via: "1.1 wick-" + uuid.NewString(), transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
		ExpectContinueTimeout: 5 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}}
}

// target returns where requests for a service go, or nil.
func (f *forwarder) target(service string) *url.URL {
	if u := f.targets[service]; u != nil {
		return u
	}
	return f.targets["*"]
}

func (f *forwarder) serve(w http.ResponseWriter, r *http.Request, call *Call, service string, target *url.URL) {
	for _, v := range r.Header.Values("Via") {
		if strings.Contains(v, f.via) {
			WriteError(w, call, &wireError{
				code: "InvalidForwardTarget", status: http.StatusLoopDetected,
				message: "--forward for " + service + " leads back to Wick itself: " + target.Redacted(),
			})
			return
		}
	}
	// Let the answer flow while the request still does. What can't (HTTP/2, which does
	// anyway; a recorder in a test) says so, and nothing is lost.
	_ = http.NewResponseController(w).EnableFullDuplex()
	w.Header().Del("X-Amzn-Requestid") // the target gives its own
	proxy := httputil.ReverseProxy{
		Transport:     f.transport,
		FlushInterval: -1, // streams pass as they come
		ErrorLog:      slog.NewLogLogger(call.log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = target.Scheme, target.Host
			if prefix := strings.TrimSuffix(target.EscapedPath(), "/"); prefix != "" {
				p.Out.URL.Path = strings.TrimSuffix(target.Path, "/") + p.In.URL.Path
				p.Out.URL.RawPath = prefix + p.In.URL.EscapedPath()
			}
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = p.In.Host
			for name, values := range p.In.Header {
				if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
					p.Out.Header[name] = values // signed, perhaps
				}
			}
			p.Out.Header.Add("Via", f.via)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				call.log.Debug("forwarded request given up by its sender", "service", service, "error", err)
				panic(http.ErrAbortHandler)
			}
			call.log.Warn("forward target failed", "service", service, "target", target.Redacted(), "error", err)
			WriteError(w, call, &wireError{
				code: "BadGateway", status: http.StatusBadGateway, typ: "User",
				message: "Wick passes requests for " + serviceName(service) + " on to " + target.Redacted() + ", which didn't answer: " + err.Error(),
			})
		},
	}
	proxy.ServeHTTP(w, r)
}

func serviceName(s string) string {
	if s == "" {
		return "other services"
	}
	return s
}
