package journeys

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

func TestFollowingALogPrintsWhatComesUntilItIsInterrupted(t *testing.T) {
	s := start(t)
	create(t, s.client(), "followed", `
def handler(event, context):
    print("number", event["n"])
`)
	invoke(t, s.client(), "followed", `{"n":1}`)

	follower := exec.Command(binary, "logs", "followed", "--follow")
	out, errs, exited := wickserver.NewTranscript(), wickserver.NewTranscript(), make(chan struct{})
	follower.Stdout, follower.Stderr = out, errs
	follower.Env = append(os.Environ(), "WICK_ENDPOINT="+s.URL)
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(exited)
		_ = follower.Wait() // its ProcessState tells
	}()
	t.Cleanup(func() { _ = follower.Process.Kill(); <-exited })

	// It has seen what was there; so what comes next, comes by following.
	for n, event := range []string{`{"n":2}`, `{"n":3}`} {
		seen := regexp.MustCompile(`(?s)number ` + []string{"1", "2"}[n] + `\n.*REPORT RequestId`)
		if _, err := out.WaitFor(seen, exited); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		invoke(t, s.client(), "followed", event)
	}
	if _, err := out.WaitFor(regexp.MustCompile(`number 3\n`), exited); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if err := follower.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-exited
	if code := follower.ProcessState.ExitCode(); code != 0 || errs.String() != "" {
		t.Errorf("interrupted, it exited with %d and said %q", code, errs)
	}
}
