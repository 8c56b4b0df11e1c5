// Package leak finds what a test leaves behind: goroutines, open files, child processes
// and, on Linux, mounts, control groups, loop devices and network devices. Every package
// that starts something uses it, in its tests.
package leak

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long what was begun may take to be gone, on however busy a machine.
const patience = time.Minute

// Check fails t when, after all its other cleanups, something stays that was not there
// when Check was called. Call it first, in a test that isn't parallel: goroutines and
// files of tests beside it would be taken for its own.
//
// Of what is the machine's and not this process's (mounts, control groups, devices), it
// looks at what carries one of marks in its name, and at mounts and loop devices below
// the folders of t.TempDir: other tests run on the machine at the same time. So give a
// test's sandboxes an ID of its own and pass that.
func Check(t testing.TB, marks ...string) {
	t.Helper()
	// The folders of t.TempDir begin with the name of the test.
	before := Now(append(slices.Clone(marks), filepath.Join(os.TempDir(), folderName(t.Name())))...)
	t.Cleanup(func() {
		t.Helper()
		if left := before.wait(); len(left) > 0 {
			t.Errorf("%d things stay after the test:\n%s", len(left), strings.Join(left, "\n"))
		}
	})
}

// Main runs the tests of a package and fails them when something stays, as Check does:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
func Main(m *testing.M, marks ...string) {
	before := Now(marks...)
	code := m.Run()
	if left := before.wait(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%d things stay after all tests:\n%s\n", len(left), strings.Join(left, "\n"))
		code = max(code, 1)
	}
	os.Exit(code)
}

// folderName is what testing makes of a test's name for its folders.
func folderName(name string) string {
	return regexp.MustCompile(`[^\pL\pN_.\-]`).ReplaceAllString(name, "")
}

// Snapshot is what was there at a moment.
type Snapshot struct {
	marks []string
	// things by their key: what they are and which. The value is for the reader.
	things map[string]string
}

// Now is what there is now. For marks see Check.
func Now(marks ...string) Snapshot {
	s := Snapshot{marks: slices.Clone(marks)}
	s.take()
	return s
}

// again is a snapshot with the same marks.
func (s Snapshot) again() Snapshot {
	n := Snapshot{marks: s.marks}
	n.take()
	return n
}

func (s *Snapshot) take() {
	s.things = map[string]string{}
	s.goroutines()
	s.kernel()
}

// Diff describes what is in later and not in s.
func (s Snapshot) Diff(later Snapshot) []string {
	var more []string
	for _, key := range slices.Sorted(maps.Keys(later.things)) {
		if _, ok := s.things[key]; !ok {
			more = append(more, later.things[key])
		}
	}
	return more
}

// wait returns what stays after patience, or nothing as soon as nothing does.
func (s Snapshot) wait() []string {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t.CloseIdleConnections() // kept for the next test, not forgotten
	}
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := s.Diff(s.again())
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// add notes a thing.
func (s *Snapshot) add(kind, which, more string) {
	s.things[kind+" "+which] = kind + " " + which + more
}

// marked says whether a name is one to look at.
func (s *Snapshot) marked(name string) bool {
	return slices.ContainsFunc(s.marks, func(m string) bool { return m != "" && strings.Contains(name, m) })
}

// stay are functions whose goroutines, once started, are there to stay.
var stay = []string{
	"os/signal.loop", "os/signal.signal_recv", "runtime.ensureSigM",
	"testing.(*M).startAlarm", "testing.tRunner", "testing.(*T).Run", "testing.runTests",
	"created by runtime", "internal/testkit/leak.(*Snapshot).goroutines",
}

func (s *Snapshot) goroutines() {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		head, rest, _ := strings.Cut(stack, "\n")
		if slices.ContainsFunc(stay, func(f string) bool { return strings.Contains(rest, f) }) {
			continue
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(head, "goroutine "), " ")
		s.add("goroutine", id, ":\n"+rest)
	}
}
