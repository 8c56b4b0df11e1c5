package lambda

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// codePath is where packages are downloaded from.
const codePath = "/_wick/code/"

// locationLifetime is how long Code.Location works. Source: GetFunction, "valid for
// 10 minutes".
const locationLifetime = 10 * time.Minute

// baseKey is the context's key of the address a client used, e.g. http://host:4566.
type baseKey struct{}

func baseOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// location returns the address a package can be downloaded from for a while, by
// whoever has it: like AWS's it carries its own permission.
func (a *API) location(ctx context.Context, sha string) string {
	base, _ := ctx.Value(baseKey{}).(string) //nolint:errcheck // absence gives a path
	expires := strconv.FormatInt(a.o.Now().Add(locationLifetime).Unix(), 10)
	q := url.Values{"expires": {expires}, "signature": {a.sign(sha, expires)}}
	return base + codePath + sha + "?" + q.Encode()
}

func (a *API) sign(sha, expires string) string {
	m := hmac.New(sha256.New, a.o.Secret)
	m.Write([]byte(sha + "\n" + expires))
	return hex.EncodeToString(m.Sum(nil))
}

// CodeHandler serves packages at the addresses GetFunction gives.
func (a *API) CodeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		sha := strings.TrimPrefix(r.URL.Path, codePath)
		q := r.URL.Query()
		expires := q.Get("expires")
		if !hmac.Equal([]byte(q.Get("signature")), []byte(a.sign(sha, expires))) {
			http.Error(w, "this address was not given out by this server", http.StatusForbidden)
			return
		}
		// What was signed is a number.
		if end, err := strconv.ParseInt(expires, 10, 64); err != nil || a.o.Now().Unix() > end {
			http.Error(w, "this address has expired: ask GetFunction for another", http.StatusForbidden)
			return
		}
		f, err := a.o.Code.Open(sha)
		if err != nil {
			if wick.KindOf(err) == wick.NotFound {
				http.Error(w, "the package is gone", http.StatusNotFound)
				return
			}
			a.o.Log.Error("package can't be read", "sha256", sha, "error", err)
			http.Error(w, "the package can't be read", http.StatusInternalServerError)
			return
		}
		defer f.Close() //nolint:errcheck // only read
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Disposition", `attachment; filename="`+sha[:12]+`.zip"`)
		http.ServeContent(w, r, "", time.Time{}, f)
	})
}
