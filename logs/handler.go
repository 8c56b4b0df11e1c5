package logs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/logs/filter"
)

// Handler serves GET /_wick/logs, what wick logs asks:
//
//	function=NAME or ARN, or group=NAME   whose log; one of them is required
//	account=, region=                     where; the defaults unless an ARN says it
//	since=, until=                        RFC 3339, milliseconds since 1970, or a duration back from now
//	request=ID                            of one invocation only
//	filter=PATTERN                        what matches (see package filter)
//	limit=N                               the newest N only
//	follow=1                              stay, and send what comes
//
// The answer is a JSON object a line: {"timestamp": milliseconds, "stream",
// "requestId", "message"}, oldest first. With follow it ends when the client goes or
// the log is closed. Errors are {"message"} with status 400, 404 or 500.
func (l *Logs) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "use GET")
			return
		}
		q, follow, err := l.parse(r.Context(), r.URL.Query(), time.Now())
		if err != nil {
			l.refuse(w, r, err)
			return
		}
		l.send(w, r, q, follow)
	})
}

// logLine is how a record is sent.
type logLine struct {
	Timestamp int64  `json:"timestamp"`
	Stream    string `json:"stream"`
	RequestID string `json:"requestId,omitempty"`
	Message   string `json:"message"`
}

// send writes the records. An error after the first line ends the answer in
// mid-stream, so that a client doesn't take it for the whole.
func (l *Logs) send(w http.ResponseWriter, r *http.Request, q Query, follow bool) {
	out := bufio.NewWriterSize(w, 16<<10)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	control := http.NewResponseController(w)
	flush := func() error {
		if err := out.Flush(); err != nil {
			return err
		}
		return control.Flush()
	}
	started := false
	start := func() {
		if !started {
			started = true
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.WriteHeader(http.StatusOK)
		}
	}
	emit := func(some []wick.LogEvent) error {
		start()
		for i := range some {
			e := &some[i]
			if err := encoder.Encode(logLine{e.Timestamp.UnixMilli(), e.Stream, e.RequestID, e.Message}); err != nil {
				return err
			}
		}
		if follow {
			return flush()
		}
		return nil
	}
	var err error
	if follow {
		// The client learns at once that it is connected.
		start()
		if err = flush(); err == nil {
			err = l.Follow(r.Context(), q, emit)
		}
	} else {
		err = l.Scan(r.Context(), q, emit)
	}
	switch {
	case err == nil, errors.Is(err, ErrClosed) && follow, r.Context().Err() != nil:
		start()
		_ = out.Flush() // when it fails the client has gone
	case !started:
		l.refuse(w, r, err)
	default:
		l.o.Log.Error("sending log text failed", "group", q.Group.Name, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// refuse answers with an error.
func (l *Logs) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var e *wick.Error
	switch {
	case errors.As(err, &e) && e.Kind == wick.InvalidParameter:
		fail(w, http.StatusBadRequest, e.Message)
	case errors.As(err, &e) && e.Kind == wick.NotFound:
		fail(w, http.StatusNotFound, e.Message)
	case errors.Is(err, ErrClosed), errors.As(err, &e) && e.Kind == wick.Unavailable:
		fail(w, http.StatusServiceUnavailable, ErrClosed.Error())
	case r.Context().Err() != nil: // nobody is there to read it
	default:
		l.o.Log.Error("reading log text failed", "query", r.URL.RawQuery, "error", err)
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message}) // the client may have gone
}

// parse reads a request's parameters.
func (l *Logs) parse(ctx context.Context, v url.Values, now time.Time) (q Query, follow bool, err error) {
	for name := range v {
		switch name {
		case "function", "group", "account", "region", "since", "until", "request", "filter", "limit", "follow", "stream":
		default:
			return q, false, wick.Errorf(wick.InvalidParameter, "there is no parameter %q", name)
		}
	}
	if q.From, err = parseTime(v, "since", now); err != nil {
		return q, false, err
	}
	if q.To, err = parseTime(v, "until", now); err != nil {
		return q, false, err
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, false, wick.Errorf(wick.InvalidParameter, "limit=%s is no number above 0", text)
		}
	}
	if text := v.Get("follow"); text != "" {
		if follow, err = strconv.ParseBool(text); err != nil {
			return q, false, wick.Errorf(wick.InvalidParameter, "follow=%s is neither 1 nor 0", text)
		}
	}
	if follow && !q.To.IsZero() {
		return q, false, wick.Errorf(wick.InvalidParameter, "follow and until exclude each other")
	}
	q.RequestID = v.Get("request")
	if text := v.Get("filter"); text != "" {
		if q.Filter, err = filter.Parse(text); err != nil {
			return q, false, wick.Errorf(wick.InvalidParameter, "%v in %s", err, text)
		}
	}
	q.Streams = v["stream"]
	q.Group, err = l.findGroup(ctx, v)
	return q, follow, err
}

// parseTime reads a point in time; zero when the parameter isn't there.
func parseTime(v url.Values, name string, now time.Time) (time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	return time.Time{}, wick.Errorf(wick.InvalidParameter, "%s=%s is no time: give 2006-01-02T15:04:05Z, or how long ago, such as 5m", name, text)
}

// findGroup finds the log group a request names; NotFound when there is neither the
// function nor any text.
func (l *Logs) findGroup(ctx context.Context, v url.Values) (wick.LogGroupID, error) {
	function := functionID(v.Get("function"))
	set(&function.Account, v.Get("account"), wick.DefaultAccount)
	set(&function.Region, v.Get("region"), wick.DefaultRegion)
	g := wick.LogGroupID{Account: function.Account, Region: function.Region, Name: v.Get("group")}
	switch {
	case g.Name == "" && function.Name == "":
		return g, wick.Errorf(wick.InvalidParameter, "say whose log: function=NAME or group=NAME")
	case g.Name != "" && function.Name != "":
		return g, wick.Errorf(wick.InvalidParameter, "function and group exclude each other")
	case g.Name != "":
		if exists, err := l.hasText(ctx, g); err != nil || exists {
			return g, err
		}
		return g, wick.Errorf(wick.NotFound, "there is no log group %s", g.Name)
	}
	g.Name = "/aws/lambda/" + function.Name
	if l.o.Functions != nil {
		f, err := l.o.Functions.Function(ctx, function, wick.Latest)
		if err == nil {
			if f.Logging.Group != "" {
				g.Name = f.Logging.Group
			}
			return g, nil
		}
		if wick.KindOf(err) != wick.NotFound {
			return g, err
		}
	}
	// A function that was deleted has left its log.
	if exists, err := l.hasText(ctx, g); err != nil || exists {
		return g, err
	}
	return g, wick.Errorf(wick.NotFound, "there is no function %s", function.Name)
}

// set gives s the first of the values that isn't empty, unless it has one.
func set(s *string, values ...string) {
	for _, v := range values {
		if *s == "" {
			*s = v
		}
	}
}

// functionID reads a function's name, NAME:QUALIFIER or ARN; a log is that of all
// versions.
func functionID(text string) wick.FunctionID {
	if parts := strings.Split(text, ":"); len(parts) >= 7 && parts[0] == "arn" {
		return wick.FunctionID{Region: parts[3], Account: parts[4], Name: parts[6]}
	}
	name, _, _ := strings.Cut(text, ":")
	return wick.FunctionID{Name: name}
}

// hasText says whether a group is there, or anything was recorded in it.
func (l *Logs) hasText(ctx context.Context, id wick.LogGroupID) (bool, error) {
	l.mu.RLock()
	g := l.groups[id]
	l.mu.RUnlock()
	if g != nil {
		g.mu.Lock()
		n := len(g.streams)
		g.mu.Unlock()
		if n > 0 {
			return true, nil
		}
	}
	if l.o.Groups != nil {
		_, err := l.o.Groups.LogGroup(ctx, id)
		if err != nil && wick.KindOf(err) == wick.NotFound {
			return false, nil
		}
		return err == nil, err
	}
	some, err := l.o.Store.Chunks(ctx, wick.LogQuery{Group: id, Limit: 1})
	return len(some) > 0, err
}
