package leak

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestAGoroutineThatStaysIsFoundWithItsStack(t *testing.T) {
	before := Now()
	entered, stop, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		waitHere(entered, stop)
	}()
	<-entered
	expect(t, before.Diff(Now()), "goroutine", "waitHere")
	close(stop)
	<-stopped
	if left := before.wait(); len(left) > 0 {
		t.Errorf("after its end: %q", left)
	}
}

//go:noinline
func waitHere(entered, stop chan struct{}) {
	close(entered)
	<-stop
}

func TestAnOpenFileIsFound(t *testing.T) {
	before := Now()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, before.Diff(Now()), "open file", "")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := before.wait(); len(left) > 0 {
		t.Errorf("after its end: %q", left)
	}
}

func TestChecksOfTestsThatLeaveNothingPass(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go close(done)
	<-done
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, found []string, kind, more string) {
	t.Helper()
	for _, f := range found {
		if strings.HasPrefix(f, kind) && strings.Contains(f, more) {
			return
		}
	}
	t.Errorf("no %s with %q in %q", kind, more, found)
}
