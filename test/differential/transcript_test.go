package differential

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wick-run/wick/internal/testkit/runner"
)

// transcribe sends a started runtime a case's events and writes down all that can be seen,
// a line each, without what differs from run to run:
//
//	answer TEXT, content-type TYPE       a response, and its type where it isn't JSON
//	streamed TYPE TEXT                   a streamed one; an error in its trailers follows
//	error TYPE TEXT, cause TEXT          an error object, and what X-Ray gets
//	init-error TYPE TEXT
//	log TEXT, frame TEXT                 a line, or a record written as one frame
//	log CLIENT                           frames of the client's own in a traceback
//	exit STATUS                          how the process ended
//
// Text that isn't one printable line is quoted, long text is its hash.
func transcribe(t testing.TB, p *runner.Process, col column, c testCase) string {
	t.Helper()
	w := &transcript{p: p, untyped: col.untyped}
	for _, e := range c.events {
		if !w.ready(t) {
			break
		}
		p.Send(e)
		w.answered(t)
	}
	if w.ready(t) {
		p.Kill() // a client would complain of a closed connection
	} else {
		w.line("exit", p.Exit())
	}
	for _, r := range p.Records() {
		w.record(r)
	}
	return w.b.String()
}

type transcript struct {
	p       *runner.Process
	b       strings.Builder
	untyped bool
	last    string // the record before
}

const patience = time.Minute

// ready waits for the runtime's next poll and says whether it comes; a failed init is
// written down.
func (w *transcript) ready(t testing.TB) bool {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case poll := <-w.p.Polls:
			w.p.Polls <- poll // for Send
			return true
		case o := <-w.p.Outcomes:
			w.outcome(o)
		case <-w.p.Exited():
			w.drain()
			return false
		case <-timer.C:
			t.Fatalf("neither a poll nor an end; log: %q", runner.Texts(w.p.Records()))
		}
	}
}

// answered waits for what comes of an event.
func (w *transcript) answered(t testing.TB) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case o := <-w.p.Outcomes:
		w.outcome(o)
	case <-w.p.Exited():
		w.drain()
	case <-timer.C:
		t.Fatalf("neither an answer nor an end; log: %q", runner.Texts(w.p.Records()))
	}
}

// drain writes down what was posted before the process ended.
func (w *transcript) drain() {
	for {
		select {
		case o := <-w.p.Outcomes:
			w.outcome(o)
		default:
			return
		}
	}
}

func (w *transcript) outcome(o runner.Outcome) {
	switch {
	case o.OK && o.Response.TooLarge:
		w.line("answer", "TOO LARGE")
	case o.OK && o.Response.Streaming:
		w.line("streamed "+o.Response.ContentType, o.Body())
		if o.Response.ErrorType != "" {
			w.line("error "+o.Response.ErrorType, string(o.Response.ErrorBody))
		}
	case o.OK:
		w.line("answer", o.Body())
		// Ruby's client names no type, and its library that of forms.
		if kind := o.Response.ContentType; kind != "application/json" && kind != "application/x-www-form-urlencoded" {
			w.line("content-type", o.Response.ContentType)
		}
	default:
		word, kind := "error ", o.Failure.Type
		if o.Init {
			word = "init-error "
		}
		if w.untyped {
			kind = "-"
		}
		w.line(word+kind, o.Body())
		if o.Failure.XRayCause != "" {
			w.line("cause", o.Failure.XRayCause)
		}
	}
}

func (w *transcript) record(r runner.Record) {
	word := "log"
	if r.Framed {
		word = "frame"
	}
	text := w.normal(strings.TrimRight(r.Text, "\n"))
	if clientFrame.MatchString(r.Text) || w.last == client && strings.HasPrefix(r.Text, "    ") ||
		strings.HasPrefix(w.last, client+": ") && strings.HasPrefix(r.Text, "  ") {
		text = client // with the source below it
	}
	if (text == client || text == "RUNTIME") && w.last == text {
		return
	}
	w.last = text
	w.line(word, text)
}

// clientFrame is a line of a Python traceback that is of a client, or of what starts one.
var clientFrame = regexp.MustCompile(`^  File "[^"]*(?:awslambdaric|wick_runtime|bootstrap\.py|frozen runpy)`)

const client = "CLIENT"

const longest = 3000

func (w *transcript) line(word, text string) {
	text = w.normal(text)
	switch {
	case len(text) > longest:
		text = fmt.Sprintf("%d bytes %x", len(text), sha256.Sum256([]byte(text)))
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && !strconv.IsPrint(r) }) || strings.HasPrefix(text, `"\`):
		text = strconv.Quote(text)
	}
	w.b.WriteString(strings.TrimRight(word+" "+text, " ") + "\n")
}

// perRun is what differs from run to run, and what of a client's own frames shows.
var perRun = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?:/[^ ":/]+)+/runtime/\w+-[0-9a-f]{16}`), "/var/runtime"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(\.\d+)?`), "TIME"},   // Go
	{regexp.MustCompile(`\[\d{4}-\d\d-\d\dT[0-9:.]+ #\d+\]`), "[TIME #PID]"}, // Ruby
	{regexp.MustCompile(`^\[ERROR\] \[\d{13}\]`), "[ERROR] [TIME]"},
	{regexp.MustCompile(`\(node:\d+\)`), "(node:PID)"},
	// Frames of the runtime itself: how many and which is its own business.
	{regexp.MustCompile(`(?:,?"    at [^"]*(?:file:///[^"]*\.mjs|node:(?:internal|events))[^"]*")+`), `,"RUNTIME"`},
	{regexp.MustCompile(`(?:\n *at [^\n"]*(?:file:///[^\n"]*\.mjs|node:(?:internal|events))[^\n"]*)+`), "\nRUNTIME"},
	{regexp.MustCompile(`(?:\\n *at [^\\"]*(?:file:///[^\\"]*\.mjs|node:(?:internal|events))[^\\"]*)+`), `\nRUNTIME`},
	{regexp.MustCompile(`^    at .*(?:file:///.*\.mjs|node:(?:internal|events)).*$`), "RUNTIME"},
	{regexp.MustCompile(`- /[^ "\\]*/index\.mjs`), "- /var/runtime/index.mjs"},
	{regexp.MustCompile(`(?:,?\{"path":"[^"]*","line":(?:null|\d+),"label":"[^"]*"\})+\]`), "FRAMES]"},
	{regexp.MustCompile(`\[FRAMES\]`), "[]"},
	{regexp.MustCompile(`"paths":\s*\[[^\]]*\]`), "PATHS"},
	{regexp.MustCompile(`(?:,?\s*"(?:[^"]*/(?:aws_lambda_ric[^"]*\.rb|wick_runtime[^"]*\.rb|bootstrap\.rb)[^"]*|-e:1:[^"]*)")+`), ""}, // Ruby
	// Python's frames of a client: in an error object, for X-Ray, in a record.
	{regexp.MustCompile(`"  File \\"[^"\\]*/(?:awslambdaric|wick_runtime)/[^"\\]*\\", line \d+, in \w+\\n(?:[^"\\]|\\.)*"`), `"CLIENT"`},
	{regexp.MustCompile(`(?:"CLIENT", )+"CLIENT"`), `"CLIENT"`},
	{regexp.MustCompile(`(?:(?:, )?\{"label": "\w+", "path": "[^"]*/(?:awslambdaric|wick_runtime)/[^"]*", "line": \d+\})+`), "CLIENT"},
	{regexp.MustCompile(`(?:\n\x{a0}\x{a0}File "[^"]*/(?:awslambdaric|wick_runtime)/[^\n]*\n\x{a0}[^\n]*)+`), "\nCLIENT"},
	{regexp.MustCompile(`^/[^ ]*/(?:awslambdaric|wick_runtime)/\w+\.py:\d+: `), "CLIENT: "},
	{regexp.MustCompile(`(?:\n\tfrom (?:[^\n]*/(?:aws_lambda_ric|wick_runtime)[^\n]*|[^\n]*/bootstrap\.rb[^\n]*|-e:1:[^\n]*))+`), "\nCLIENT"}, // Ruby
	// Java's
	{regexp.MustCompile(`^\tat (?:com\.amazonaws\.services\.lambda\.runtime\.api\.client|run\.wick\.runtime)\..*$`), "CLIENT"},
	{regexp.MustCompile(`\.\.\. \d+ (more|lines matching)`), "... N $1"},
	{regexp.MustCompile(`^file:///[^ ]*\.mjs:\d+$`), "CLIENT"}, // Node
	{regexp.MustCompile(`Port\(\d+\)`), "Port(N)"},             // Rust
	{regexp.MustCompile(`LambdaHandler:0x[^>]*`), "LambdaHandler"},
	{regexp.MustCompile(`\[\s*\]`), "[]"},
	{regexp.MustCompile(`[^ "]*/lib/python3\.\d+/`), "/LIB/"},
	{regexp.MustCompile(`line \d+, in import_module`), "line N, in import_module"},
	{regexp.MustCompile(`thread '(\w+)' \(\d+\)`), "thread '$1' (ID)"}, // Rust
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "API"},
	{regexp.MustCompile(`\b0x[0-9a-f]{4,}`), "0xADDRESS"},
}

// normal replaces what differs from run to run and from client to client.
func (w *transcript) normal(s string) string {
	if w.p.Dir != "" {
		s = strings.ReplaceAll(s, w.p.Dir, runner.TaskDir)
	}
	var b strings.Builder
	for {
		before, run, rest := cutRun(s)
		for _, r := range perRun {
			before = r.pattern.ReplaceAllString(before, r.with)
		}
		b.WriteString(before)
		b.WriteString(run)
		if s = rest; s == "" {
			return b.String()
		}
	}
}

// cutRun cuts text around its first run of a thousand equal bytes or more, which has nothing
// to replace and takes expressions long to look at.
func cutRun(s string) (before, run, rest string) {
	const least = 1000
	start := 0
	for i := 1; i <= len(s); i++ {
		if i < len(s) && s[i] == s[start] {
			continue
		}
		if i-start >= least {
			return s[:start], s[start:i], s[i:]
		}
		start = i
	}
	return s, "", ""
}
