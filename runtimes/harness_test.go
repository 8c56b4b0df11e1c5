package runtimes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance/runtimeapi"
	"github.com/wick-run/wick/internal/csharp"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// discovered is the set all tests use; its folder lives as long as the test binary.
var discovered = sync.OnceValues(func() (*Set, error) {
	dir, err := os.MkdirTemp("", "wick-runtimes-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as the data directory's part is
		return nil, err
	}
	return Discover(context.Background(), Options{Dir: dir, Getenv: getenv})
})

// getenv is os.Getenv, with the .NET that scripts/install-tools brings as the default.
func getenv(name string) string {
	if value := os.Getenv(name); value != "" || name != "DOTNET_ROOT" {
		return value
	}
	return csharp.Root()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := discovered(); err == nil {
		_ = os.RemoveAll(s.dir) // a temporary folder
	}
	if left := children(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "processes are left behind:", left)
		code = 1
	}
	os.Exit(code)
}

// children are the processes this one has, "" where the system doesn't tell.
func children() string {
	var all []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is well-formed
	for _, task := range tasks {
		if data, err := os.ReadFile(task); err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return strings.Join(all, " ")
}

func set(t testing.TB) *Set {
	t.Helper()
	s, err := discovered()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// match returns what runs a runtime, or skips the test where the machine has no
// interpreter of the language at all.
func match(t testing.TB, runtime string) Match {
	t.Helper()
	m, err := set(t).Match(runtime, false)
	if wick.KindOf(err) == wick.InvalidRuntime {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What the tables are made of.
type (
	program = runner.Program
	event   = runner.Event
	process = runner.Process
)

// newProcess returns a process of a runtime that isn't started.
func newProcess(t testing.TB, m Match) *process {
	t.Helper()
	var places []string
	for _, mount := range m.Mounts {
		if mount.Target == runtimeDir && m.hasArchive() {
			// It is of the bootstrap where that is in tests, as it is in an instance.
			places = append(places, runtimeDir+"/"+archiveName, filepath.Join(mount.Source, archiveName))
		}
	}
	return newProcessOf(t, m, append(places, runtimeDir, set(t).bootstraps[m.Language])...)
}

// newProcessOf is newProcess with a bootstrap of the caller's own.
func newProcessOf(t testing.TB, m Match, places ...string) *process {
	t.Helper()
	if l := m.Language.known(); l.program != nil {
		places = append(places, l.program(m.Interpreter), m.Interpreter.Bin)
	}
	return runner.New(t, places...)
}

// startStem boots a stem and waits until it asks for its function.
func startStem(t testing.TB, m Match, prog program) (*process, *runtimeapi.Conn) {
	t.Helper()
	p := newProcess(t, m)
	p.Write(prog) // here its folder can't be put in place later
	return p, bootStem(t, p, m, prog)
}

func bootStem(t testing.TB, p *process, m Match, prog program) *runtimeapi.Conn {
	t.Helper()
	c := set(t).Stem(m, prog.Function())
	p.Start(c.Path, c.Args, c.Env, c.Dir, p.Connect())
	return runner.Receive(p, p.Assigns, "the stem's question")
}

// assign makes a stem become a program.
func assign(p *process, c *runtimeapi.Conn, m Match, prog program) {
	p.Become(c, p.Environment(Environment(prog.Function(), m)))
}

// startOrdinary starts a program with its environment from the beginning.
func startOrdinary(t testing.TB, m Match, prog program) *process {
	t.Helper()
	p := newProcess(t, m)
	p.Write(prog)
	bootOrdinary(t, p, m, prog)
	return p
}

func bootOrdinary(t testing.TB, p *process, m Match, prog program) {
	t.Helper()
	p.Listen()
	var env []string
	for name, value := range p.Environment(Environment(prog.Function(), m)) {
		env = append(env, name+"="+value)
	}
	c := set(t).Ordinary(m, prog.Function())
	p.Start(c.Path, c.Args, append(env, c.Env...), p.Dir)
}

// runProgram starts a program in one of the two ways.
func runProgram(t testing.TB, prog program, stem bool) *process {
	t.Helper()
	return startEither(t, match(t, prog.Runtime), prog, stem)
}

func startEither(t testing.TB, m Match, prog program, stem bool) *process {
	t.Helper()
	if !stem || set(t).NeedsOrdinary(m, prog.Function()) {
		return startOrdinary(t, m, prog)
	}
	p, c := startStem(t, m, prog)
	assign(p, c, m, prog)
	return p
}
