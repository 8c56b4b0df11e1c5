package runtimes

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/wick-run/wick"
)

// machine is a made-up machine: programs are copies of a small real one.
type machine struct {
	t    *testing.T
	root string
	env  map[string]string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs a small ELF program to copy, /bin/true")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &machine{t, root, map[string]string{}}
}

func (m *machine) write(name string, data []byte, mode fs.FileMode) string {
	m.t.Helper()
	at := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil { //nolint:gosec // a made-up machine
		m.t.Fatal(err)
	}
	if err := os.WriteFile(at, data, mode); err != nil {
		m.t.Fatal(err)
	}
	return at
}

// program puts a real program at a place.
func (m *machine) program(name string) string {
	m.t.Helper()
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		m.t.Fatal(err)
	}
	return m.write(name, data, 0o755)
}

// script puts a script that prints at a place.
func (m *machine) script(name, prints string) string {
	return m.write(name, []byte("#!/bin/sh\necho '"+prints+"'\n"), 0o755)
}

func (m *machine) discover() []Interpreter {
	m.t.Helper()
	s, err := Discover(context.Background(), Options{
		Dir: filepath.Join(m.root, "data"), Home: filepath.Join(m.root, "home"), Root: filepath.Join(m.root, "system"),
		Getenv: func(name string) string { return m.env[name] },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return s.List()
}

func TestInterpretersOfVersionManagersAreFound(t *testing.T) {
	m := newMachine(t)
	m.env["FNM_DIR"] = filepath.Join(m.root, "elsewhere")
	for _, name := range []string{
		"home/.pyenv/versions/3.12.1/bin/python3",
		"home/.asdf/installs/python/3.9.1/bin/python3",
		"home/.local/share/mise/installs/python/3.10.2/bin/python3",
		"home/.local/share/uv/python/cpython-3.13.2-linux-x86_64-gnu/bin/python3",
		"home/.nvm/versions/node/v18.20.1/bin/node",
		"elsewhere/node-versions/v20.1.0/installation/bin/node",
		"home/.volta/tools/image/node/22.3.0/bin/node",
		"home/.asdf/installs/nodejs/16.1.0/bin/node",
		"home/.local/share/mise/installs/node/24.0.1/bin/node",
		"home/.nodenv/versions/21.0.0/bin/node",
		"system/usr/local/n/versions/node/23.0.0/bin/node",
		"system/opt/node-v25.1.0-linux-x64/bin/node",
		"system/opt/python/3.14.1/bin/python3",
	} {
		m.program(name)
	}
	m.program("home/.pyenv/versions/2.7.18/bin/python3")    // too old
	m.program("home/.pyenv/versions/3.7.2/bin/python3")     // too old
	m.program("home/.pyenv/versions/myproject/bin/python3") // an environment's name
	m.program("home/.pyenv/versions/3.11.9/bin/python3")
	m.write("home/.pyenv/versions/3.11.9/pyvenv.cfg", nil, 0o600) // an environment
	if err := os.Symlink("3.12.1", filepath.Join(m.root, "home/.pyenv/versions/3.12.9")); err != nil {
		t.Fatal(err)
	}
	m.script("home/.nvm/versions/node/v19.0.0/bin/node", "v19.0.0") // a shim
	var got []string
	for _, in := range m.discover() {
		got = append(got, string(in.Language)+" "+in.Version+" "+in.Source)
		if in.Root == "" || !strings.HasPrefix(in.Bin, in.Root) {
			t.Errorf("%+v: the folder isn't the program's", in)
		}
	}
	want := []string{
		"node 25.1.0 /opt", "node 24.0.1 mise", "node 23.0.0 n", "node 22.3.0 volta", "node 21.0.0 nodenv", "node 20.1.0 fnm", "node 18.20.1 nvm", "node 16.1.0 asdf",
		"python 3.14.1 /opt", "python 3.13.2 uv", "python 3.12.1 pyenv", "python 3.10.2 mise", "python 3.9.1 asdf",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found\n%q\nwant\n%q", got, want)
	}
}

func TestAProgramIsAskedItsVersionOnceUntilItChanges(t *testing.T) {
	m := newMachine(t)
	all := []candidate{{language: Node, bin: m.script("bin/node", "v20.1.2"), source: "PATH"}, {language: Python, bin: m.script("bin/python3", "Python 3.14.0rc1")}, {language: Node, bin: m.script("bin/nodejs", "usage: ax25 node")}}
	memory := filepath.Join(m.root, "memory.json")
	versions := func() (vs []string) {
		for _, in := range identify(context.Background(), append([]candidate(nil), all...), memory) {
			vs = append(vs, in.Version)
		}
		return vs
	}
	if got := versions(); !reflect.DeepEqual(got, []string{"20.1.2", "3.14.0"}) {
		t.Fatalf("versions %q", got)
	}
	info, err := os.Stat(all[0].bin)
	if err != nil {
		t.Fatal(err)
	}
	m.script("bin/node", "v99.9.9") // same size, and the time is put back: not asked again
	if err := os.Chtimes(all[0].bin, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := versions(); !reflect.DeepEqual(got, []string{"20.1.2", "3.14.0"}) {
		t.Errorf("asked again: %q", got)
	}
	m.script("bin/node", "v20.1.30")
	if got := versions(); !reflect.DeepEqual(got, []string{"20.1.30", "3.14.0"}) {
		t.Errorf("not asked again after a change: %q", got)
	}
	m.write("memory.json", []byte("{"), 0o600)
	if got := versions(); !reflect.DeepEqual(got, []string{"20.1.30", "3.14.0"}) {
		t.Errorf("with a damaged memory: %q", got)
	}
}

func TestTheNearestInterpreterRunsARuntime(t *testing.T) {
	in := func(l Language, v string) Interpreter { return Interpreter{Language: l, Version: v, Bin: "/x/" + v} }
	s := &Set{dir: t.TempDir(), bootstraps: map[Language]string{}, interpreters: []Interpreter{
		in(Node, "22.1.0"), in(Node, "18.19.0"), in(Node, "18.2.0"), in(Python, "3.13.0"), in(Python, "3.11.7"), in(Python, "3.11.2"),
	}}
	for _, c := range []struct {
		runtime, version string
		exact            bool
		runtimeVersion   string
	}{
		{"python3.11", "3.11.7", true, "python:3.11.v1"},
		{"python3.12", "3.13.0", false, "python:3.13.0 (python3.12 not on this machine)"},
		{"python3.8", "3.11.7", false, "python:3.11.7 (python3.8 not on this machine)"},
		{"python3.14", "3.13.0", false, "python:3.13.0 (python3.14 not on this machine)"},
		{"nodejs18.x", "18.19.0", true, "nodejs:18.v1"},
		{"nodejs20.x", "22.1.0", false, "nodejs:22.1.0 (nodejs20.x not on this machine)"},
		{"nodejs16.x", "18.19.0", false, "nodejs:18.19.0 (nodejs16.x not on this machine)"},
		{"provided.al2023", "", true, "provided:al2023.v1"},
		{"provided", "", true, "provided:v1"},
	} {
		m, err := s.Match(c.runtime, false)
		if err != nil || m.Interpreter.Version != c.version || m.Exact != c.exact || m.RuntimeVersion != c.runtimeVersion {
			t.Errorf("%s: %+v, %v", c.runtime, m, err)
		}
		_, err = s.Match(c.runtime, true)
		if c.exact != (err == nil) || !c.exact && wick.KindOf(err) != wick.InvalidParameter {
			t.Errorf("%s, strict: %v", c.runtime, err)
		}
	}
	for runtime, kind := range map[string]wick.Kind{"java21": wick.InvalidRuntime, "ruby3.3": wick.InvalidRuntime, "dotnet8": wick.InvalidRuntime, "cobol74": wick.InvalidParameter, "nodejs": wick.NotBuilt, "python": wick.InvalidParameter, "": wick.InvalidParameter} {
		if _, err := s.Match(runtime, false); wick.KindOf(err) != kind {
			t.Errorf("%q: %v", runtime, err)
		}
	}
	var none Set
	if _, err := none.Match("python3.12", false); wick.KindOf(err) != wick.InvalidRuntime {
		t.Errorf("without any interpreter: %v", err)
	}
}

func TestDeprecatedRuntimesAreKnown(t *testing.T) {
	for runtime, want := range map[string][2]bool{
		"nodejs20.x": {true, false}, "nodejs14.x": {true, true}, "python3.8": {true, false}, "python3.7": {true, true},
		"provided": {true, true}, "dotnetcore3.1": {true, true}, "go1.x": {true, true}, "python4.0": {false, false},
	} {
		known, deprecated := Known(runtime)
		if got := [2]bool{known, deprecated}; got != want {
			t.Errorf("%s: known, deprecated = %v", runtime, got)
		}
	}
}

func TestWhatAnInstanceMountsIsThereAndReadable(t *testing.T) {
	s := set(t)
	for _, in := range s.List() {
		mounts, err := s.mounts(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, m := range mounts {
			seen[m.Target] = true
			if err := readable(m.Source); err != nil {
				t.Errorf("%s %s: %s: %v", in.Language, in.Version, m.Target, err)
			}
		}
		if !seen[langDir] && !seen[dotnetDir] || !seen[runtimeDir] {
			t.Errorf("%s %s mounts only %v", in.Language, in.Version, mounts)
		}
		if strings.HasPrefix(mounts[0].Source, s.dir) && in.Language == Python {
			if at, err := os.Readlink(filepath.Join(mounts[0].Source, "bin", pythonName(in))); err != nil || at != in.Bin {
				t.Errorf("%s leads to %s, %v", pythonName(in), at, err)
			}
		}
	}
}

// readable checks that any user may read what a mount shows of a folder of ours.
func readable(source string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if want := fs.FileMode(0o444); info.Mode().Perm()&want != want {
		return errors.New("not readable by all: " + info.Mode().String())
	}
	if !info.IsDir() || !strings.Contains(source, "wick-runtimes-") {
		return nil
	}
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o444 != 0o444 {
			err = errors.New(path + " is not readable by all")
		}
		return err
	})
}
