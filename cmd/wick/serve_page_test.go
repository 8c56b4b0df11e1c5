package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wick-run/wick/fleet"
	"github.com/wick-run/wick/logs/deliver"
	"github.com/wick-run/wick/metrics"
	"github.com/wick-run/wick/sqlstore"
	"github.com/wick-run/wick/traces"
)

func TestTheMetricsPageIsForThoseItIsMeantFor(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "wick.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		store: store, log: slog.New(slog.DiscardHandler), metrics: metrics.Open(metrics.Options{Store: store}),
		traces: &traces.Traces{}, fleet: fleet.New(fleet.Options{}), deliver: &deliver.Deliver{},
	}
	t.Cleanup(func() {
		s.fleet.Close(expired())
		for _, close := range []func() error{s.metrics.Close, store.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for name, test := range map[string]struct {
		signatures           bool
		method, target, from string
		auth                 string
		want                 int
	}{
		"anyone, where there are no signatures": {false, "GET", "/metrics", "192.0.2.1:1", "", 200},
		"this machine":                          {true, "GET", "/metrics", "127.0.0.1:1", "", 200},
		"its other address":                     {true, "GET", "/metrics", "[::1]:1", "", 200},
		"another machine":                       {true, "GET", "/metrics", "192.0.2.1:1", "", 403},
		"a signed request":                      {true, "GET", "/metrics", "127.0.0.1:1", "AWS4-HMAC-SHA256 …", 418},
		"a presigned request":                   {false, "GET", "/metrics?X-Amz-Signature=1", "127.0.0.1:1", "", 418},
		"a bucket of that name":                 {false, "PUT", "/metrics", "127.0.0.1:1", "", 418},
		"something else":                        {false, "GET", "/metrics/", "127.0.0.1:1", "", 418},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		if r.RemoteAddr = test.from; test.auth != "" {
			r.Header.Set("Authorization", test.auth)
		}
		w := httptest.NewRecorder()
		s.metricsPage(next, guard(test.signatures)).ServeHTTP(w, r)
		if w.Code != test.want || w.Code == 200 && !strings.Contains(w.Body.String(), "\nwick_queue_length 0\n") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
