package runtimes

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// ofTheInstance are the variables Environment leaves to its caller.
var ofTheInstance = map[string]bool{
	"AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_VERSION": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true,
	"AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true, "AWS_LAMBDA_INITIALIZATION_TYPE": true,
	"AWS_LAMBDA_RUNTIME_API": true, "AWS_REGION": true, "AWS_DEFAULT_REGION": true, "AWS_ACCESS_KEY_ID": true,
	"AWS_SECRET_ACCESS_KEY": true, "AWS_SESSION_TOKEN": true, "AWS_XRAY_CONTEXT_MISSING": true, "AWS_XRAY_DAEMON_ADDRESS": true,
	"_AWS_XRAY_DAEMON_ADDRESS": true, "_AWS_XRAY_DAEMON_PORT": true, "_X_AMZN_TRACE_ID": true,
	"AWS_ACCESS_KEY": true, "AWS_SECRET_KEY": true, // older Java's bootstrap adds them
}

// TestEnvironmentIsAsRecorded compares with every recorded introspection of a runtime
// that runs here.
func TestEnvironmentIsAsRecorded(t *testing.T) {
	dir := os.Getenv("WICK_ORACLE")
	if dir == "" {
		dir = "../../shared/oracle"
	}
	data, err := os.ReadFile(filepath.Join(dir, "aws-recorded", "test_lambda_common.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the recordings of AWS are not at %s (set WICK_ORACLE)", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]struct {
		Content struct {
			Payload struct {
				Environment map[string]string
			} `json:"invocation_result_payload"`
		}
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	compared := 0
	name := regexp.MustCompile(`test_introspection_invoke\[(.*)\]$`)
	for entry, r := range recorded {
		parts := name.FindStringSubmatch(entry)
		if parts == nil {
			continue
		}
		w, ok := parseRuntime(parts[1])
		if !ok {
			continue
		}
		compared++
		want := r.Content.Payload.Environment
		for variable := range ofTheInstance {
			delete(want, variable)
		}
		got := Environment(
			&wick.Function{Runtime: parts[1], Handler: want["_HANDLER"], Environment: map[string]string{"TEST_KEY": "TEST_VAL"}},
			Match{Runtime: parts[1], Language: w.language})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%v\nrecorded\n%v", parts[1], got, want)
		}
	}
	if compared < 5 {
		t.Errorf("only %d recordings were compared", compared)
	}
}

func TestEnvironmentOfAFunction(t *testing.T) {
	f := &wick.Function{
		Runtime: "nodejs18.x", Handler: "index.handler",
		Logging:     wick.LoggingConfig{Format: "JSON", ApplicationLevel: "WARN"},
		Environment: map[string]string{"TZ": "Asia/Tokyo", "MINE": "1"},
	}
	env := Environment(f, Match{Runtime: "nodejs18.x", Language: Node})
	for name, want := range map[string]string{
		"TZ": "Asia/Tokyo", "MINE": "1", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN",
		"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs18.x", "NODE_EXTRA_CA_CERTS": "/var/runtime/ca-cert.pem",
	} {
		if env[name] != want {
			t.Errorf("%s=%s, want %s", name, env[name], want)
		}
	}
	relocated := Match{Runtime: "python3.12", Language: Python, Interpreter: Interpreter{Root: "/root/.pyenv/versions/3.12.1", Version: "3.12.1"}}
	for given, want := range map[string]string{"/var/task/lib": "/var/task/lib:/var/lang/lib", "/var/lang/lib:/x": "/var/lang/lib:/x"} {
		f := &wick.Function{Runtime: "python3.12", Environment: map[string]string{"LD_LIBRARY_PATH": given}}
		if got := Environment(f, relocated)["LD_LIBRARY_PATH"]; got != want {
			t.Errorf("LD_LIBRARY_PATH=%s becomes %s", given, got)
		}
	}
}

func TestSettingsOfAProgramsStartNeedAnOrdinaryStart(t *testing.T) {
	var s Set
	python := Match{Runtime: "python3.12", Language: Python}
	node := Match{Runtime: "nodejs20.x", Language: Node}
	for _, c := range []struct {
		match  Match
		name   string
		memory int
		want   bool
	}{
		{python, "MINE", 128, false},
		{python, "PYTHONPATH", 128, false},
		{python, "PYTHONUNBUFFERED", 128, false},
		{python, "PYTHONHASHSEED", 128, true},
		{python, "PYTHONHOME", 128, true},
		{python, "LD_PRELOAD", 128, true},
		{python, "LD_LIBRARY_PATH", 128, true},
		{python, "AWS_LAMBDA_EXEC_WRAPPER", 128, true},
		{python, "NODE_OPTIONS", 128, false},
		{python, "LANG", 128, true},
		{python, "TZ", 128, false},
		{python, "MINE", 10240, false},
		{node, "NODE_OPTIONS", 128, true},
		{node, "NODE_ENV", 128, false},
		{node, "NODE_PATH", 128, false},
		{node, "UV_THREADPOOL_SIZE", 128, true},
		{node, "PYTHONHASHSEED", 128, false},
		{node, "MINE", 10240, true},
		{Match{Runtime: "provided.al2", Language: Provided}, "MINE", 128, true},
	} {
		f := &wick.Function{MemoryMB: c.memory, Environment: map[string]string{c.name: "x"}}
		if got := s.NeedsOrdinary(c.match, f); got != c.want {
			t.Errorf("%s with %s and %d MB: %v", c.match.Runtime, c.name, c.memory, got)
		}
	}
}

func TestCommands(t *testing.T) {
	var s Set
	node := func(version string) Match {
		return Match{Runtime: "nodejs20.x", Language: Node, Interpreter: Interpreter{Language: Node, Version: version, Bin: "/usr/bin/node"}}
	}
	python := Match{Runtime: "python3.12", Language: Python, Interpreter: Interpreter{Language: Python, Version: "3.11.2"}}
	for _, c := range []struct {
		name string
		got  Command
		want string
		env  string
	}{
		{"a Python stem", s.Stem(python, &wick.Function{}), "/var/lang/bin/python3.11 /var/runtime/bootstrap.py", "WICK_STEM=3"},
		{"an old Node stem", s.Stem(node("18.1.0"), &wick.Function{}), "/var/lang/bin/node --expose-gc --max-http-header-size 81920 --max-old-space-size=4096 /var/runtime/index.mjs", "WICK_STEM=3"},
		{"a Node stem", s.Stem(node("20.20.2"), &wick.Function{}), "/var/lang/bin/node --expose-gc --max-http-header-size 81920 --max-old-space-size=4096 --no-experimental-require-module --no-experimental-detect-module /var/runtime/index.mjs", "WICK_STEM=3"},
		{"an ordinary Node", s.Ordinary(node("20.12.0"), &wick.Function{MemoryMB: 512}), "/var/lang/bin/node --expose-gc --max-http-header-size 81920 --max-semi-space-size=25 --max-old-space-size=460 --no-experimental-detect-module /var/runtime/index.mjs", "WICK_LOG_FRAMES=1"},
		{"a function that wants require(esm)", s.Ordinary(node("22.12.0"), &wick.Function{MemoryMB: 128, Environment: map[string]string{"NODE_OPTIONS": "--experimental-require-module"}}), "/var/lang/bin/node --expose-gc --max-http-header-size 81920 --max-semi-space-size=6 --max-old-space-size=115 --no-experimental-detect-module /var/runtime/index.mjs", ""},
		{"a wrapper", s.Ordinary(python, &wick.Function{Environment: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/w"}}), "sh -c " + wrapperScript + " sh /opt/w /var/lang/bin/python3.11 /var/runtime/bootstrap.py", ""},
	} {
		if got := strings.Join(c.got.Args, " "); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
		if env := strings.Join(c.got.Env, "\n"); !strings.Contains(env, c.env) || !sort.StringsAreSorted(c.got.Env) {
			t.Errorf("%s: environment %q", c.name, c.got.Env)
		}
	}
}

func TestAWrapperStartsTheRuntime(t *testing.T) {
	for _, c := range []struct{ name, runtime, handler, file, source string }{
		{"node", "nodejs20.x", "index.handler", "index.js", `exports.handler = async () => [process.env.WRAPPED, Object.keys(process.env).filter((k) => k.includes("WICK"))]`},
		{"python", "python3.12", "index.handler", "index.py", "import os\ndef handler(e, c):\n    return [os.environ['WRAPPED'], [k for k in os.environ if 'WICK' in k]]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wrapper := filepath.Join(t.TempDir(), "wrap")
			script := "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n"
			if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil { //nolint:gosec // a wrapper is run
				t.Fatal(err)
			}
			p := runProgram(t, program{
				Runtime: c.runtime, Handler: c.handler, Files: map[string]string{c.file: c.source},
				Env: map[string]string{wrapperVariable: wrapper},
			}, false)
			if got := strings.ReplaceAll(p.Invoke(event{}).Body(), " ", ""); got != `["yes",[]]` {
				t.Errorf("answered %s", got)
			}
			missing := runProgram(t, program{
				Runtime: c.runtime, Handler: c.handler, Files: map[string]string{c.file: c.source},
				Env: map[string]string{wrapperVariable: "/no/wrapper"},
			}, false)
			if got := missing.Exit(); got != "exit status 127" || runner.Texts(missing.Records()) != "/no/wrapper: does not exist\n" {
				t.Errorf("without its wrapper: %s, %q", got, runner.Texts(missing.Records()))
			}
		})
	}
}
