package runtimes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/runner"
)

// TestEveryInterpreterRunsTheBootstrap runs a plain function, a failing one and one that
// doesn't load on each version this machine has, in both ways.
func TestEveryInterpreterRunsTheBootstrap(t *testing.T) {
	handlers := map[Language]map[string]string{
		Python: {"app.py": "import logging\ndef good(e, c):\n    logging.warning('hi')\n    return e\ndef bad(e, c):\n    raise ValueError('no')\n", "broken.py": "import nosuch\n"},
		Ruby:   {"app.rb": "require 'logger'\ndef good(event:, context:)\n  Logger.new($stdout).warn('hi')\n  event\nend\ndef bad(event:, context:)\n  raise ArgumentError, 'no'\nend\n", "broken.rb": "require 'nosuch'\n"},
		Node:   {"app.js": "exports.good = async (e) => { console.log('hi'); return e; }; exports.bad = async () => { throw new RangeError('no'); };", "broken.js": "require('nosuch')"},
	}
	seen := map[string]bool{}
	for _, in := range set(t).List() {
		v, _ := parseVersion(in.Version) // List has only such
		runtime := fmt.Sprintf("nodejs%d.x", v[0])
		switch in.Language {
		case Python, Ruby:
			runtime = fmt.Sprintf("%s%d.%d", in.Language, v[0], v[1])
		case Java:
			continue // TestEveryJavaRunsTheBootstrap: it needs compiled classes
		case Dotnet:
			continue // TestEveryDotnetRunsTheBootstrap: likewise
		}
		m, err := set(t).Match(runtime, true)
		if err != nil {
			t.Fatal(err)
		}
		if m.Interpreter = in; seen[in.Bin] {
			continue
		}
		seen[in.Bin] = true
		for way, start := range map[string]func(testing.TB, program) *process{
			"stem": func(t testing.TB, prog program) *process {
				p, c := startStem(t, m, prog)
				assign(p, c, m, prog)
				return p
			},
			"ordinary": func(t testing.TB, prog program) *process { return startOrdinary(t, m, prog) },
		} {
			t.Run(string(in.Language)+in.Version+"/"+way, func(t *testing.T) {
				t.Parallel()
				prog := program{Runtime: runtime, Handler: "app.good", Files: handlers[in.Language]}
				p := start(t, prog)
				for range 3 {
					if o := p.Invoke(event{Payload: `{"a":[1]}`}); !o.OK || strings.ReplaceAll(o.Body(), " ", "") != `{"a":[1]}` {
						t.Fatalf("answered %+v %s", o, o.Body())
					}
				}
				if got := runner.Texts(p.Finish()); strings.Count(got, "hi") != 3 {
					t.Errorf("log %q", got)
				}
				prog.Handler = "app.bad"
				if o := start(t, prog).Invoke(event{}); o.OK || !strings.Contains(o.Failure.Type, "Error") || !strings.Contains(o.Body(), `"no"`) {
					t.Errorf("failed with %+v %s", o, o.Body())
				}
				prog.Handler = "broken.good"
				p = start(t, prog)
				if o := p.Outcome(); !o.Init || !strings.Contains(o.Failure.Type+o.Body(), map[bool]string{true: "Init<LoadError>", false: "Runtime.ImportModuleError"}[in.Language == Ruby]) {
					t.Errorf("not loaded with %+v %s", o, o.Body())
				}
				p.Exit()
			})
		}
	}
	if len(seen) == 0 {
		t.Skip("neither Node.js nor Python is on this machine")
	}
}
