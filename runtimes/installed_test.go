package runtimes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// installs puts something below a machine's data folder as wick runtimes install does.
func (m *machine) installs(name string, i Installed, files ...string) {
	m.t.Helper()
	data, err := json.Marshal(i)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(filepath.Join("data/installed", name, ManifestFile), data, 0o644)
	for _, f := range files {
		m.write(filepath.Join("data/installed", name, "files", f), []byte(name+" "+f), 0o644)
	}
}

func (m *machine) set() *Set {
	m.t.Helper()
	s, err := Discover(m.t.Context(), Options{
		Dir: filepath.Join(m.root, "data"), Home: filepath.Join(m.root, "home"), Root: filepath.Join(m.root, "system"),
		Getenv: func(name string) string { return m.env[name] },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// runtimeOf returns what an instance of a runtime has at /var/runtime.
func (m *machine) runtimeOf(s *Set, runtime string) (Match, string) {
	m.t.Helper()
	match, err := s.Match(runtime, false)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, mount := range match.Mounts {
		if mount.Target == runtimeDir {
			return match, mount.Source
		}
	}
	m.t.Fatalf("%s mounts nothing at %s: %v", runtime, runtimeDir, match.Mounts)
	return match, ""
}

func TestInstalledInterpretersAreFoundAndHalfOnesAreNot(t *testing.T) {
	m := newMachine(t)
	for name, in := range map[string]Installed{
		"node22-22.1.0-1":     {Kind: KindInterpreter, Language: Node, Version: "22.1.0", Bin: "bin/node"},
		"java21-21.0.8-1":     {Kind: KindInterpreter, Language: Java, Version: "21.0.8", Bin: "bin/java"},
		".new-node24":         {Kind: KindInterpreter, Language: Node, Version: "24.1.0", Bin: "bin/node"},
		"node18-18.1.0-1":     {Kind: KindInterpreter, Language: Node, Version: "18.1.0", Bin: "bin/elsewhere"},
		"python3.12-3.12.1-1": {Kind: KindSDK, Language: Python, Version: "3.12.1", Bin: "bin/python3"},
	} {
		m.installs(name, in)
		m.program(filepath.Join("data/installed", name, "files/bin/node"))
		m.program(filepath.Join("data/installed", name, "files/bin/java"))
	}
	m.write("data/installed/java21-21.0.8-1/files/release", []byte(`JAVA_VERSION="21.0.8"`), 0o644)
	m.write("data/installed/damaged/"+ManifestFile, []byte(`{"kind":`), 0o644)
	m.program("data/installed/bare/files/bin/node")
	var got []string
	for _, in := range m.set().List() {
		got = append(got, string(in.Language)+" "+in.Version+" "+in.Source)
	}
	if want := "java 21.0.8 wick, node 22.1.0 wick"; strings.Join(got, ", ") != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestAnSDKSharesVarRuntimeWithTheBootstrap(t *testing.T) {
	m := newMachine(t)
	m.program("home/.pyenv/versions/3.12.1/bin/python3")
	m.program("home/.pyenv/versions/3.11.1/bin/python3")
	s := m.set()
	before, plain := m.runtimeOf(s, "python3.12")
	if strings.Contains(plain, sdkMark) || before.SDK != "" {
		t.Fatalf("an SDK is in %s before there is one", plain)
	}

	at := time.Unix(1e9, 0)
	m.installs("sdk-python3.12-1.1-1", Installed{Kind: KindSDK, Key: "sdk-python3.12", Language: Python, For: "3.12", Version: "1.1", At: at}, "boto3/__init__.py")
	m.installs("sdk-python3.12-1.2-2", Installed{Kind: KindSDK, Key: "sdk-python3.12", Language: Python, For: "3.12", Version: "1.2", At: at.Add(time.Hour)},
		"boto3/__init__.py", "wick_runtime/runtime.py")
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, folder := m.runtimeOf(s, "python3.12")
	if after.SDKVersion != "1.2" || after.StemKey() == before.StemKey() {
		t.Errorf("the SDK is %s and the key %s, as it was before: %s", after.SDKVersion, after.StemKey(), before.StemKey())
	}
	for file, from := range map[string]string{
		"boto3/__init__.py":       filepath.Join(m.root, "data/installed/sdk-python3.12-1.2-2/files/boto3/__init__.py"),
		"bootstrap.py":            filepath.Join(plain, "bootstrap.py"),
		"wick_runtime/runtime.py": filepath.Join(plain, "wick_runtime/runtime.py"), // the SDK's doesn't take its place
	} {
		got, err := os.ReadFile(filepath.Join(folder, file))
		want, _ := os.ReadFile(from)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s isn't that of %s, %v", file, from, err)
		}
	}
	if err := readable(folder); err != nil {
		t.Error(err)
	}
	if other, folder := m.runtimeOf(s, "python3.11"); other.SDK != "" || folder != plain {
		t.Errorf("Python 3.11 has the SDK of 3.12: %s", folder)
	}

	// What is gone leaves nothing when the next server starts.
	if err := os.RemoveAll(filepath.Join(m.root, "data/installed/sdk-python3.12-1.2-2")); err != nil {
		t.Fatal(err)
	}
	s = m.set()
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", folder, err)
	}
	if now, _ := m.runtimeOf(s, "python3.12"); now.SDKVersion != "1.1" {
		t.Errorf("the SDK is %q, not the one that is left", now.SDKVersion)
	}
}

func TestARuntimeIsRunByWhatWasAdded(t *testing.T) {
	m := newMachine(t)
	dir := filepath.Join(m.root, "data")
	jdk := func(name, version string) string {
		m.write(name+"/release", []byte(`JAVA_VERSION="`+version+`"`), 0o644)
		return m.program(name + "/bin/java")
	}
	java17, java21 := jdk("elsewhere/jdk-17", "17.0.1"), jdk("elsewhere/jdk-21", "21.0.1")
	jdk("system/usr/lib/jvm/java-25", "25.0.1")
	for _, c := range []struct{ runtime, path, refused string }{
		{"java21", filepath.Dir(filepath.Dir(java21)), ""}, // the folder
		{"java11", java21, ""},                             // newer
		{"java21", java17, "can't run java21"},             // older
		{"java21", filepath.Join(m.root, "nowhere"), "no program at"},
		{"java21", m.root, "no Java in"},
		{"java21", m.script("elsewhere/java", "21"), "no program that runs in a sandbox"},
		{"nodejs22.x", m.program("elsewhere/node"), "doesn't say that it is Node.js"},
		{"provided.al2", java21, "brings its own program"},
		{"java99", java21, "no runtime"},
		{"cobol74", java21, "no runtime"},
	} {
		in, err := Add(t.Context(), dir, c.runtime, c.path)
		switch {
		case c.refused == "" && (err != nil || in.Bin != java21):
			t.Errorf("%s %s: %+v, %v", c.runtime, c.path, in, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || wick.KindOf(err) != wick.InvalidParameter):
			t.Errorf("%s %s: refused with %v, not with %q", c.runtime, c.path, err, c.refused)
		}
	}
	s := m.set()
	for runtime, want := range map[string]string{"java21": "21.0.1 true", "java11": "21.0.1 false", "java17": "25.0.1 false"} {
		match, err := s.Match(runtime, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := match.Interpreter.Version + map[bool]string{true: " true", false: " false"}[match.Exact]; got != want {
			t.Errorf("%s is run by %s, not %s", runtime, got, want)
		}
	}
	if _, err := s.Match("java11", true); wick.KindOf(err) != wick.InvalidParameter {
		t.Errorf("strict: %v", err)
	}

	// One that has gone since is none, and what was added can be forgotten.
	if err := os.Remove(java21); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if match, err := s.Look("java21"); err != nil || match.Interpreter.Version != "25.0.1" {
		t.Errorf("with the added one gone: %+v, %v", match, err)
	}
	for _, want := range []bool{true, false} {
		if ok, err := Forget(dir, "java21"); ok != want || err != nil {
			t.Errorf("forgetting: %v, %v", ok, err)
		}
	}
	if added, err := Added(dir); err != nil || len(added) != 1 {
		t.Errorf("what is left: %v, %v", added, err)
	}
	m.write("data/added.json", []byte("{"), 0o644)
	if err := s.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("with a damaged file: %v", err)
	}
}

func TestWhatIsMissingSaysHowToGetIt(t *testing.T) {
	s := newMachine(t).set()
	_, err := s.Match("java21", false)
	if wick.KindOf(err) != wick.InvalidRuntime || !strings.Contains(err.Error(), "needs Java 21 or newer") || !strings.Contains(err.Error(), "`wick runtimes install java21`") {
		t.Errorf("said %v", err)
	}
}

func TestEveryIdentifierIsTakenApartOrRefused(t *testing.T) {
	for _, c := range []struct {
		runtime      string
		language     Language
		major, minor int
	}{
		{"python3.12", Python, 3, 12}, {"nodejs24.x", Node, 24, -1}, {"nodejs4.3-edge", Node, 4, -1}, {"java8.al2023", Java, 8, -1},
		{"ruby4.0", Ruby, 4, 0}, {"dotnetcore3.1", Dotnet, 3, -1}, {"provided.al2", Provided, 0, -1},
	} {
		if w, ok := ParseRuntime(c.runtime); !ok || w != (Wanted{c.language, c.major, c.minor}) {
			t.Errorf("%s is %+v, %v", c.runtime, w, ok)
		}
	}
	for _, runtime := range []string{"python2.7", "python3.99", "nodejs", "", "java"} {
		if w, ok := ParseRuntime(runtime); ok {
			t.Errorf("%q is %+v", runtime, w)
		}
	}
}

func TestWhatIsInstalledServesItsVersion(t *testing.T) {
	for _, c := range []struct {
		i       Installed
		runtime string
		want    bool
	}{
		{Installed{Kind: KindSDK, Language: Python, For: "3.12"}, "python3.12", true},
		{Installed{Kind: KindSDK, Language: Python, For: "3.12"}, "python3.11", false},
		{Installed{Kind: KindSDK, Language: Node, For: "22"}, "nodejs22.x", true},
		{Installed{Kind: KindInterpreter, Language: Node, Version: "22.1.0"}, "nodejs22.x", true},
		{Installed{Kind: KindInterpreter, Language: Node, Version: "22.1.0"}, "nodejs20.x", false},
		{Installed{Kind: KindInterpreter, Language: Java, Version: "21.0.8"}, "java21", true},
		{Installed{Kind: KindInterpreter, Language: Java, Version: "21.0.8"}, "python3.12", false},
		{Installed{Kind: KindInterpreter, Language: Java, Version: "21.0.8"}, "cobol74", false},
	} {
		if got := c.i.Serves(c.runtime); got != c.want {
			t.Errorf("%+v serves %s: %v", c.i, c.runtime, got)
		}
	}
}
