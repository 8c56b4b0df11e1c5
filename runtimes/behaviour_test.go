package runtimes

import (
	"regexp"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// behaviour is one thing a runtime does: a function, an event, and all that must come of
// it. Texts are regular expressions over the whole text.
type behaviour struct {
	name     string
	program  program
	event    event
	ok       bool
	init     bool   // fails before its first event
	noAnswer bool   // the process ends without one
	body     string // of the response or the error object
	header   string // the error type header
	log      string // all records, a line each
	exit     string // how the process ends; "" when it goes on serving
}

// runBehaviours runs a table as stems and in the ordinary way.
func runBehaviours(t *testing.T, table []behaviour) {
	for _, way := range []struct {
		name string
		stem bool
	}{{"as a stem", true}, {"in the ordinary way", false}} {
		t.Run(way.name, func(t *testing.T) {
			for _, b := range table {
				t.Run(b.name, func(t *testing.T) {
					t.Parallel()
					b.check(t, runProgram(t, b.program, way.stem))
				})
			}
		})
	}
}

func (b behaviour) check(t *testing.T, p *process) {
	t.Helper()
	if !b.init {
		p.Send(b.event)
	}
	if !b.noAnswer {
		o := p.Outcome()
		if o.OK != b.ok || o.Init != b.init {
			t.Errorf("answered ok=%v init=%v: %s", o.OK, o.Init, o.Body())
		}
		expect(t, "answer", b.body, o.Body())
		if b.header != "" && o.Failure.Type != b.header {
			t.Errorf("error type header is %q, want %q", o.Failure.Type, b.header)
		}
	}
	if b.exit != "" {
		if got := p.Exit(); got != b.exit {
			t.Errorf("the process ended with %s, want %s", got, b.exit)
		}
	} else {
		p.Finish()
	}
	expect(t, "log", b.log, runner.Texts(p.Records()))
}

func expect(t *testing.T, what, pattern, got string) {
	t.Helper()
	if pattern == "" && what == "log" {
		return
	}
	if !regexp.MustCompile(`(?s)^(?:` + pattern + `)$`).MatchString(got) {
		t.Errorf("%s is\n%q\nwant\n%s", what, got, pattern)
	}
}

const timestamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`

var jsonLogging = wick.LoggingConfig{Format: "JSON", ApplicationLevel: "DEBUG"}
