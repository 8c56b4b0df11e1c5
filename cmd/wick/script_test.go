package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wick": main})
}

// The scripts need no server; those that do are in test/journeys.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": wantStatus,
		},
		Setup: func(env *testscript.Env) error {
			// The scripts' own folder is their home; what leads to a server is theirs to set.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("WICK_ENDPOINT", "")
			env.Setenv("AWS_ENDPOINT_URL", "")
			return nil
		},
	})
}

// wantStatus is the script command "status N PROGRAM ARG…": run it and expect that exit
// status.
func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(status) != want {
		ts.Fatalf("%s: exit status %d, want %s", strings.Join(args[1:], " "), status, want)
	}
}
