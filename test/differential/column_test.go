package differential

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/official"
	"github.com/wick-run/wick/internal/testkit/runner"
	"github.com/wick-run/wick/runtimes"
)

// column is one runtime that the cases are run in. A new language is a row here, with how
// its functions are built where they are compiled.
type column struct {
	name    string
	runtime string
	folder  string // of the cases' files
	handler string // where a case names none; * is the case's name as an identifier
	// build makes a package from the functions of all cases; nil where source files are
	// the package. The error is errMissing where the machine lacks what compiles.
	build func(cases []testCase) (links map[string]string, err error)
	// sameClient says that functions bring AWS's client with them, so that the sides
	// differ in the Runtime API.
	sameClient bool
	// untyped says that AWS's client doesn't send an error's type where the Runtime API
	// has a place for it: its native part takes it for the type of the content.
	untyped bool
}

var columns = []column{
	{name: "node20", untyped: true, runtime: "nodejs20.x", folder: "node", handler: "index.handler"},
	{name: "node24", untyped: true, runtime: "nodejs24.x", folder: "node", handler: "index.handler"},
	{name: "python", untyped: true, runtime: "python3.12", folder: "python", handler: "app.handler"},
	{name: "ruby", runtime: "ruby3.3", folder: "ruby", handler: "app.handler"},
	{name: "java", runtime: "java17", folder: "java", handler: "*.Handler::handle", build: buildJava},
	{name: "go", runtime: "provided.al2023", folder: "go", handler: "*", build: buildGo, sameClient: true},
	{name: "rust", runtime: "provided.al2023", folder: "rust", handler: "*", build: buildRust, sameClient: true},
}

// runs says whether a case is of a column.
func (col column) runs(c testCase) bool {
	return len(c.files[col.folder]) > 0 && (len(c.only) == 0 || slices.Contains(c.only, col.name))
}

// programs are the cases' functions in a column, by case.
func (col column) programs(cases []testCase) (map[string]runner.Program, error) {
	var built map[string]string
	if col.build != nil {
		var err error
		if built, err = col.build(cases); err != nil {
			return nil, err
		}
	}
	all := map[string]runner.Program{}
	for _, c := range cases {
		if !col.runs(c) {
			continue
		}
		handler := c.handlers[col.folder]
		if handler == "" {
			handler = strings.ReplaceAll(col.handler, "*", c.identifier())
		}
		prog := runner.Program{Runtime: col.runtime, Handler: handler, Links: built, Env: c.env, Logging: c.logging}
		if col.build == nil {
			prog.Files = c.files[col.folder]
		}
		all[c.name] = prog
	}
	return all, nil
}

// identifier is the case's name as a package or module.
func (c testCase) identifier() string { return strings.ReplaceAll(c.name, "-", "_") }

// found is what this machine has; its folder lives as long as the test binary.
var found = sync.OnceValues(func() (*runtimes.Set, error) {
	return runtimes.Discover(context.Background(), runtimes.Options{Dir: scratch})
})

// match returns what runs a column, or skips the test where the machine has no interpreter
// of the language at all.
func (col column) match(t testing.TB) runtimes.Match {
	t.Helper()
	set, err := found()
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Match(col.runtime, false)
	if wick.KindOf(err) == wick.InvalidRuntime {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start starts a program under Wick's bootstrap: as a stem where an instance would.
func (col column) start(t testing.TB, m runtimes.Match, prog runner.Program) *runner.Process {
	t.Helper()
	set, err := found()
	if err != nil {
		t.Fatal(err)
	}
	f := prog.Function()
	ordinary := set.Ordinary(m, f)
	p := runner.New(t, places(m, ordinary)...)
	if set.NeedsOrdinary(m, f) {
		p.Write(prog)
		p.Listen()
		if m.Language == runtimes.Provided {
			ordinary.Path, ordinary.Args = runner.TaskDir+"/bootstrap", []string{"bootstrap"}
		}
		p.Start(ordinary.Path, ordinary.Args, append(list(p.Environment(runtimes.Environment(f, m))), ordinary.Env...), p.Dir)
		return p
	}
	p.Write(prog)
	stem := set.Stem(m, f)
	p.Start(stem.Path, stem.Args, stem.Env, stem.Dir, p.Connect())
	question := runner.Receive(p, p.Assigns, "the stem's question")
	p.Become(question, p.Environment(runtimes.Environment(f, m)))
	return p
}

// startOfficial starts it under AWS's client.
func (col column) startOfficial(t testing.TB, dir string, m runtimes.Match, prog runner.Program) *runner.Process {
	t.Helper()
	if col.sameClient {
		p := runner.New(t)
		p.Write(prog)
		p.ListenPlain()
		p.Start(runner.TaskDir+"/bootstrap", []string{"bootstrap"}, list(p.Environment(runtimes.Environment(prog.Function(), m))), p.Dir)
		return p
	}
	set, err := found()
	if err != nil {
		t.Fatal(err)
	}
	p := runner.New(t, places(m, set.Ordinary(m, prog.Function()))...)
	cmd, err := official.Command(dir, m.Interpreter.Bin, prog, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p.Write(prog)
	p.Listen()
	env := p.Environment(runtimes.Environment(prog.Function(), m))
	official.Environment(env, prog.Runtime)
	cmd.Env, cmd.Dir = list(env), p.Dir
	p.Cmd, p.TelemetryFD = cmd, true
	p.Run()
	return p
}

// places says where on this machine the bootstrap and the interpreter are.
func places(m runtimes.Match, c runtimes.Command) []string {
	var all []string
	for _, mount := range m.Mounts {
		if mount.Target == "/var/runtime" {
			all = append(all, mount.Target, mount.Source)
		}
	}
	if c.Path != "" {
		all = append(all, c.Path, m.Interpreter.Bin)
	}
	return all
}

func list(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// scratch is a folder for what is made once.
var scratch string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "wick-differential-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)                      //nolint:errcheck // a temporary folder
	if err := os.Chmod(scratch, 0o755); err != nil { //nolint:gosec // as the data directory's part is
		panic(err)
	}
	return m.Run()
}
