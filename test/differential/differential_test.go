package differential

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick/internal/testkit/official"
	"github.com/wick-run/wick/internal/testkit/runner"
	"github.com/wick-run/wick/runtimes"
)

// updateVariable, when set, has what the official clients do recorded and the table written.
const updateVariable = "WICK_DIFFERENTIAL_UPDATE"

// TestWickDoesWhatWasRecordedOfAWSsClients runs our side against the recording, in every
// language whose interpreter is of the recorded version.
func TestWickDoesWhatWasRecordedOfAWSsClients(t *testing.T) {
	if os.Getenv(official.Variable) != "" {
		t.Skip("both sides run live in this run")
	}
	cases := readCases(t)
	for _, col := range columns {
		t.Run(col.name, func(t *testing.T) {
			t.Parallel()
			rec := readRecording(t, col)
			m := col.match(t)
			if version := interpreter(col, m); version != rec.interpreter {
				t.Skipf("recorded with %s, this machine has %s: make differential compares on it", rec.interpreter, version)
			}
			programs := col.functions(t, cases)
			for _, c := range cases {
				prog, ok := programs[c.name]
				if !ok {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					want, ok := rec.expected(c.name)
					if !ok {
						t.Fatal("nothing is recorded: run make differential UPDATE=1")
					}
					if got := transcribe(t, col.start(t, m, prog), col, c); got != want {
						t.Errorf("%s\n%s", c.proves, lineDiff(want, got))
					}
				})
			}
		})
	}
}

// TestWickDoesWhatAWSsClientsDo runs both sides.
func TestWickDoesWhatAWSsClientsDo(t *testing.T) {
	dir := os.Getenv(official.Variable)
	if dir == "" {
		t.Skipf("AWS's runtime clients are missing: run make differential, or runtimes/official.sh DIR and set %s=DIR", official.Variable)
	}
	update := os.Getenv(updateVariable) != ""
	cases := readCases(t)
	for _, col := range columns {
		t.Run(col.name, func(t *testing.T) {
			m := col.match(t)
			client, err := col.client(dir)
			if errors.Is(err, official.ErrMissing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			programs := col.functions(t, cases)
			rec := recording{client: client, interpreter: interpreter(col, m), official: map[string]string{}, ours: map[string]string{}}
			var mu sync.Mutex // guards rec's maps
			t.Run("cases", func(t *testing.T) {
				for _, c := range cases {
					prog, ok := programs[c.name]
					if !ok {
						continue
					}
					t.Run(c.name, func(t *testing.T) {
						if col.name != "java" { // AWS's client unpacks its native part to one place in /tmp
							t.Parallel()
						}
						theirs := transcribe(t, col.startOfficial(t, dir, m, prog), col, c)
						ours := transcribe(t, col.start(t, m, prog), col, c)
						mu.Lock()
						defer mu.Unlock()
						rec.official[c.name] = theirs
						if ours != theirs {
							rec.ours[c.name] = ours
						}
						reason, meant := c.differs[col.name]
						switch {
						case ours != theirs && !meant:
							t.Errorf("%s\n%s", c.proves, lineDiff(theirs, ours))
						case ours == theirs && meant:
							t.Errorf("there is no difference any more: %s", reason)
						}
					})
				}
			})
			if update && len(rec.official) == len(programs) { // not where -run left some out
				rec.write(t, col, cases)
			} else if old := readRecording(t, col); old.interpreter == rec.interpreter && old.client == rec.client {
				for name, official := range rec.official {
					if old.official[name] != official {
						t.Errorf("%s: AWS's client no longer does what is recorded: run make differential UPDATE=1\nnow\n%s\nrecorded\n%s", name, official, old.official[name])
					}
				}
			}
		})
	}
	if update {
		writeTable(t, cases)
	}
}

// lineDiff shows what one side has and the other lacks, in order.
func lineDiff(theirs, ours string) string {
	var b strings.Builder
	a, z := strings.Split(theirs, "\n"), strings.Split(ours, "\n")
	for len(a) > 0 || len(z) > 0 {
		switch {
		case len(a) > 0 && len(z) > 0 && a[0] == z[0]:
			fmt.Fprintf(&b, "  both %s\n", a[0])
			a, z = a[1:], z[1:]
		case len(a) > 0 && !slices.Contains(z, a[0]):
			fmt.Fprintf(&b, "- AWS  %s\n", a[0])
			a = a[1:]
		case len(z) > 0:
			fmt.Fprintf(&b, "+ Wick %s\n", z[0])
			z = z[1:]
		default:
			fmt.Fprintf(&b, "- AWS  %s\n", a[0])
			a = a[1:]
		}
	}
	return b.String()
}

// interpreter names what runs a column, to what its texts may depend on: CPython's
// tracebacks and V8's messages change with versions.
func interpreter(col column, m runtimes.Match) string {
	if col.sameClient {
		return "any"
	}
	parts := strings.SplitN(m.Interpreter.Version, ".", 3)
	return string(m.Language) + " " + strings.Join(parts[:2], ".")
}

// functions builds a column's functions, or skips the test where the compiler is missing.
func (col column) functions(t testing.TB, cases []testCase) map[string]runner.Program {
	t.Helper()
	programs, err := col.programs(cases)
	if errors.Is(err, errMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

// client names the official client of a column.
func (col column) client(dir string) (string, error) {
	switch col.name {
	case "go":
		return moduleVersion("testdata/go/go.mod", "github.com/aws/aws-lambda-go ", "aws-lambda-go ")
	case "rust":
		return moduleVersion("testdata/rust/Cargo.lock", "name = \"lambda_runtime\"\nversion = ", "lambda_runtime ")
	}
	return official.Version(dir, col.runtime)
}
