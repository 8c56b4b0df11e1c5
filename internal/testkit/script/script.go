// Package script is what Wick's command-line scripts (testscript, *.txtar) can say beyond
// the usual. The tests of cmd/wick and test/journeys use it.
package script

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands are the additional script commands:
//
//	status N PROGRAM ARG…	runs a program that must end with exit status N
var Commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"status": status,
}

func status(ts *testscript.TestScript, neg bool, args []string) {
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
