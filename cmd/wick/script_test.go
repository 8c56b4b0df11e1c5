package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/wick-run/wick/internal/testkit/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wick": main})
}

// The scripts need no server; those that do are in test/journeys.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: script.Commands,
		Setup: func(env *testscript.Env) error {
			// The scripts' own folder is their home; what leads to a server is theirs to set.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("WICK_ENDPOINT", "")
			env.Setenv("AWS_ENDPOINT_URL", "")
			return nil
		},
	})
}
