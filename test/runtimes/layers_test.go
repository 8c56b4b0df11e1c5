package runtimes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// publish publishes the files as a layer's version and returns its ARN.
func publish(t *testing.T, c *lambda.Client, name string, files map[string]string) string {
	t.Helper()
	return publishZip(t, c, name, zipped(t, files))
}

func publishZip(t *testing.T, c *lambda.Client, name string, content []byte) string {
	t.Helper()
	out, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: content},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.LayerVersionArn
}

// createWith creates a function with layers.
func createWith(t *testing.T, s *wickserver.Server, name string, f function, layers ...string) {
	t.Helper()
	f.layers = layers
	if f.timeout == 0 {
		f.timeout = 120 // however loaded the machine is
	}
	create(t, s.Client(), name, f)
}

// wantJSON invokes a function with an empty object and compares its answer.
func wantJSON(t *testing.T, s *wickserver.Server, name string, want map[string]any) {
	t.Helper()
	out := invoke(t, s.Client(), name, []byte(`{}`))
	var got map[string]any
	if err := json.Unmarshal(out.Payload, &got); err != nil || out.FunctionError != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("answered %s\nwant %v\nlog:\n%s", out.Payload, want, logOf(t, s, name))
	}
}

// wantBoth creates a function twice, to be served by a runtime that was booted before /opt
// was there and by one that wasn't, and compares the answers. In each "stem" says which.
func wantBoth(t *testing.T, s *wickserver.Server, name string, f function, layers []string, want map[string]any) {
	t.Helper()
	for how, env := range map[string]map[string]string{"stem": nil, "ordinary": {"LANGUAGE": "en"}} { // read as a program starts
		f.env = env
		want["stem"] = how == "stem"
		createWith(t, s, name+"-"+how, f, layers...)
		wantJSON(t, s, name+"-"+how, want)
	}
}

// tools is what any language finds in a layer: programs on PATH, libraries, files; of two
// layers the later one's.
func tools(t *testing.T, c *lambda.Client, name string) []string {
	t.Helper()
	return []string{
		publish(t, c, name+"-first", map[string]string{"bin/tool": "#!/bin/sh\necho first\n", "first": "1", "both": "1"}),
		publish(t, c, name+"-second", map[string]string{"bin/tool": "#!/bin/sh\necho second\n", "both": "2"}),
	}
}

func TestPythonFindsWhatLayersBring(t *testing.T) {
	t.Parallel()
	s := server(t, exact)
	c := s.Client()
	layers := append(tools(t, c, "python"),
		publish(t, c, "python-modules", map[string]string{
			"python/plain.py": "word = 'from python'",
			"python/lib/python3.12/site-packages/deep/__init__.py":  "word = 'from site-packages'",
			"python/lib/python3.12/site-packages/more.pth":          "/opt/python/more",
			"python/more/elsewhere.py":                              "word = 'by a .pth file'",
			"python/own.py":                                         "word = 'from the layer'",
			"python/lib/python3.11/site-packages/other_python.py":   "",
			"python/lib/python3.12/site-packages/deep/data/note.md": "hello",
		}),
		publishZip(t, c, "python-library", library(t)))
	f := function{runtime: "python3.12", handler: "app.handler", code: zipped(t, map[string]string{
		"own.py": "word = 'from the package'",
		"app.py": `
import ctypes, os, subprocess
import plain, deep, elsewhere, own
from importlib import resources

def handler(event, context):
    try:
        import other_python
        other = True
    except ImportError:
        other = False
    try:
        open('/opt/new', 'w')
        writable = True
    except OSError:
        writable = False
    return {
        'plain': plain.word, 'deep': deep.word, 'elsewhere': elsewhere.word, 'own': own.word, 'other': other,
        'data': resources.files(deep).joinpath('data/note.md').read_text(),
        'tool': subprocess.check_output(['tool'], text=True).strip(),
        'answer': ctypes.CDLL('libanswer.so').answer(),
        'first': open('/opt/first').read(), 'both': open('/opt/both').read(),
        'writable': writable, 'stem': 'WICK_STEM' in open('/proc/self/environ').read(),
    }
`,
	})}
	wantBoth(t, s, "layers-python", f, layers, map[string]any{
		"plain": "from python", "deep": "from site-packages", "elsewhere": "by a .pth file", "own": "from the package",
		"other": false, "data": "hello", "tool": "second", "answer": 42.0, "first": "1", "both": "2", "writable": false,
	})
}

// library is a layer with lib/libanswer.so, in C.
func library(t *testing.T) []byte {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc on PATH to build a library with")
	}
	dir := t.TempDir()
	source, out := filepath.Join(dir, "answer.c"), filepath.Join(dir, "libanswer.so")
	if err := os.WriteFile(source, []byte("int answer(void) { return 42; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(t.Context(), cc, "-shared", "-fPIC", "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return zipped(t, map[string]string{"lib/libanswer.so": string(b)})
}

func TestNodeFindsWhatLayersBring(t *testing.T) {
	t.Parallel()
	s := server(t, exact)
	c := s.Client()
	const module = "exports.word = "
	esm := map[string]string{
		"package.json": `{"name":"esm","type":"module","exports":"./main.js"}`, "main.js": "export const word = 'an ES module'",
	}
	files := map[string]string{
		"nodejs/node_modules/plain/index.js":        module + "'from nodejs'",
		"nodejs/node20/node_modules/exact/index.js": module + "'from nodejs/node20'",
		"nodejs/node_modules/exact/index.js":        module + "'not this'",
		"nodejs/node18/node_modules/other/index.js": module + "'not this'",
		"nodejs/node_modules/own/index.js":          module + "'not this'",
	}
	for name, text := range esm {
		files["nodejs/node_modules/esm/"+name] = text
	}
	layers := append(tools(t, c, "node"), publish(t, c, "node-modules", files))
	answer := `{
  plain: plain.word, exact: exact.word, own: own.word, esm: esm.word, other,
  tool: execFileSync("tool").toString().trim(), both: readFileSync("/opt/both", "utf8"),
  stem: readFileSync("/proc/self/environ", "utf8").includes("WICK_STEM"),
}`
	const find = `let other; try { require("other"); other = true; } catch { other = false; }
`
	for _, f := range []struct{ name, file, source string }{
		{"commonjs", "index.js", `
const { execFileSync } = require("node:child_process"), { readFileSync } = require("node:fs");
const plain = require("plain"), exact = require("exact"), own = require("own");
` + find + `exports.handler = async () => { const esm = await import("/opt/nodejs/node_modules/esm/main.js"); return ` + answer + ` };`},
		{"module", "index.mjs", `
import { execFileSync } from "node:child_process"; import { readFileSync } from "node:fs"; import { createRequire } from "node:module";
import plain from "plain"; import exact from "exact"; import own from "own"; import * as esm from "esm";
const require = createRequire(import.meta.url);
` + find + `export const handler = async () => (` + answer + `);`},
	} {
		t.Run(f.name, func(t *testing.T) {
			wantBoth(t, s, "layers-node-"+f.name, function{runtime: "nodejs20.x", handler: "index.handler", code: zipped(t, map[string]string{
				f.file: f.source, "node_modules/own/index.js": module + "'from the package'",
			})}, layers, map[string]any{
				"plain": "from nodejs", "exact": "from nodejs/node20", "own": "from the package", "esm": "an ES module",
				"other": false, "tool": "second", "both": "2",
			})
		})
	}
}

func TestRubyFindsWhatLayersBring(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("no ruby on PATH")
	}
	s := server(t, exact)
	c := s.Client()
	layers := append(tools(t, c, "ruby"), publish(t, c, "ruby-code", map[string]string{
		"ruby/lib/plain.rb": "PLAIN = 'from ruby/lib'",
		"ruby/lib/own.rb":   "OWN = 'not this'",
		"ruby/gems/3.3.0/gems/jewel-1.0.0/lib/jewel.rb": "module Jewel; WORD = 'a gem'; end",
		"ruby/gems/3.3.0/specifications/jewel-1.0.0.gemspec": `Gem::Specification.new do |s|
  s.name = 'jewel'; s.version = '1.0.0'; s.summary = 'one'; s.authors = ['us']; s.files = ['lib/jewel.rb']; s.require_paths = ['lib']
end`,
	}))
	wantBoth(t, s, "layers-ruby", function{runtime: "ruby3.3", handler: "app.handler", code: zipped(t, map[string]string{
		"own.rb": "OWN = 'from the package'",
		"app.rb": `
require 'plain'
require 'jewel'
require 'own'
def handler(event:, context:)
  { plain: PLAIN, gem: Jewel::WORD, own: OWN, tool: %x(tool).strip, both: File.read('/opt/both'),
    stem: File.read('/proc/self/environ').include?('WICK_STEM') }
end
`,
	})}, layers, map[string]any{
		"plain": "from ruby/lib", "gem": "a gem", "own": "from the package", "tool": "second", "both": "2",
	})
}

func TestJavaFindsWhatLayersBring(t *testing.T) {
	t.Parallel()
	s := server(t, exact)
	c := s.Client()
	classes := compileJava(t, map[string]string{
		"greet/Greeting.java": `package greet; public class Greeting { public static String word() { return "from a jar"; } }`,
		"app/Handler.java": `package app;
import java.nio.file.*; import java.util.*;
public class Handler {
  public Map<String, String> handle(Object event) throws Exception {
    Map<String, String> answer = new TreeMap<>();
    answer.put("jar", greet.Greeting.word());
    answer.put("both", new String(Files.readAllBytes(Paths.get("/opt/both"))));
    Process tool = new ProcessBuilder("tool").start();
    answer.put("tool", new Scanner(tool.getInputStream()).next());
    return answer;
  }
}`,
	})
	jar := zipped(t, map[string]string{"greet/Greeting.class": classes["greet/Greeting.class"]}) // a jar is a zip
	layers := append(tools(t, c, "java"), publish(t, c, "java-jars", map[string]string{"java/lib/greet.jar": string(jar)}))
	createWith(t, s, "layers-java", function{
		runtime: "java17", handler: "app.Handler::handle", memory: 512,
		code: zipped(t, map[string]string{"app/Handler.class": classes["app/Handler.class"]}),
	}, layers...)
	wantJSON(t, s, "layers-java", map[string]any{"jar": "from a jar", "tool": "second", "both": "2"})
}

// compileJava compiles sources by path and returns the classes by path.
func compileJava(t *testing.T, sources map[string]string) map[string]string {
	t.Helper()
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip("no javac on PATH to compile the function with")
	}
	dir := t.TempDir()
	args := []string{"-nowarn", "--release", "8", "-d", dir}
	for name, text := range sources {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if out, err := exec.CommandContext(t.Context(), javac, args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	classes := map[string]string{}
	for name := range sources {
		class := strings.TrimSuffix(name, ".java") + ".class"
		b, err := os.ReadFile(filepath.Join(dir, class))
		if err != nil {
			t.Fatal(err)
		}
		classes[class] = string(b)
	}
	return classes
}

// shellBootstrap is a runtime in a shell, for a layer: it runs the handler's file.
const shellBootstrap = `#!/bin/bash
set -euo pipefail
. "$LAMBDA_TASK_ROOT/${_HANDLER%%.*}.sh"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
headers=$(mktemp)
while :; do
  event=$(curl -sS -D "$headers" "$api/next")
  id=$(sed -n 's/^lambda-runtime-aws-request-id: *\([^\r]*\).*/\1/ip' "$headers")
  curl -sS -o /dev/null -d "$("${_HANDLER##*.}" "$event")" "$api/$id/response"
done
`

func TestARuntimeComesFromALayer(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl on PATH, which this runtime is made of")
	}
	s := server(t, exact)
	c := s.Client()
	layers := append(tools(t, c, "provided"), publish(t, c, "shell-runtime", map[string]string{"bootstrap": shellBootstrap}))
	code := map[string]string{"app.sh": `handle() { echo "{\"tool\":\"$(tool)\",\"both\":\"$(cat /opt/both)\",\"event\":$1}"; }`}
	createWith(t, s, "layers-provided", function{runtime: "provided.al2023", handler: "app.handle", code: zipped(t, code)}, layers...)
	wantJSON(t, s, "layers-provided", map[string]any{"tool": "second", "both": "2", "event": map[string]any{}})

	// One in the package comes first.
	code["bootstrap"] = "#!/bin/sh\nexit 3\n"
	createWith(t, s, "layers-provided-own", function{runtime: "provided.al2023", handler: "app.handle", code: zipped(t, code)}, layers...)
	out := invoke(t, c, "layers-provided-own", []byte(`{}`))
	if out.FunctionError == nil || !strings.Contains(string(out.Payload), "exit status 3") {
		t.Errorf("the package's own bootstrap wasn't run: %s", out.Payload)
	}
}

func TestAWrapperComesFromALayer(t *testing.T) {
	t.Parallel()
	s := server(t, exact)
	c := s.Client()
	arn := publish(t, c, "wrapper", map[string]string{"wrap": "#!/bin/bash\nexport WRAPPED=\"by $0\"\nexec \"$@\"\n"})
	java := func(t *testing.T) map[string]string {
		return compileJava(t, map[string]string{
			"app/Handler.java": `package app; public class Handler { public Object handle(Object e) { return System.getenv("WRAPPED"); } }`,
		})
	}
	for _, l := range []struct {
		runtime, handler, needs string
		code                    func(*testing.T) map[string]string
		want                    string
	}{
		{"python3.12", "app.handler", "python3", files("app.py", "import os\ndef handler(e, c): return os.environ.get('WRAPPED')"), `"by /opt/wrap"`},
		{"nodejs20.x", "app.handler", "node", files("app.js", "exports.handler = async () => process.env.WRAPPED ?? null"), `"by /opt/wrap"`},
		{"ruby3.3", "app.handler", "ruby", files("app.rb", "def handler(event:, context:) = ENV['WRAPPED']"), `"by /opt/wrap"`},
		{"java17", "app.Handler::handle", "javac", java, `"by /opt/wrap"`},
		// AWS's OS-only runtimes know no wrappers. Source: Lambda developer guide, wrapper scripts.
		{"provided.al2023", "x", "curl", files("bootstrap", shellBootstrap, "x.sh", `x() { echo "\"${WRAPPED:-not wrapped}\""; }`), `"not wrapped"`},
	} {
		t.Run(l.runtime, func(t *testing.T) {
			if _, err := exec.LookPath(l.needs); err != nil {
				t.Skip("no " + l.needs + " on PATH")
			}
			name := "wrapper-" + strconv.FormatInt(functionNumber.Add(1), 10)
			createWith(t, s, name, function{
				runtime: l.runtime, handler: l.handler, memory: 512, code: zipped(t, l.code(t)),
				env: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"},
			}, arn)
			if out := invoke(t, c, name, []byte(`{}`)); string(out.Payload) != l.want {
				t.Errorf("answered %s, want %s\nlog:\n%s", out.Payload, l.want, logOf(t, s, name))
			}
		})
	}
}

// files makes a package of names and texts.
func files(namesAndTexts ...string) func(*testing.T) map[string]string {
	return func(*testing.T) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(namesAndTexts); i += 2 {
			m[namesAndTexts[i]] = namesAndTexts[i+1]
		}
		return m
	}
}

// Where there are no walls the package isn't at /var/task, nor are layers at /opt.
func TestLayersAreFoundWithoutWalls(t *testing.T) {
	t.Parallel()
	s := server(t, "--isolation", "process")
	classes := func(t *testing.T) map[string]string {
		return compileJava(t, map[string]string{
			"greet/Greeting.java": `package greet; public class Greeting { public static String word() { return "java"; } }`,
			"app/Handler.java":    `package app; public class Handler { public String handle(Object event) { return greet.Greeting.word(); } }`,
		})
	}
	for name, language := range map[string]struct {
		runtime, handler, needs string
		parts                   func(t *testing.T) (code, layer map[string]string)
	}{
		"node": {"nodejs20.x", "index.handler", "node", func(*testing.T) (code, layer map[string]string) {
			return map[string]string{"index.js": `exports.handler = async () => require("word");`},
				map[string]string{"nodejs/node_modules/word/index.js": `module.exports = "node";`}
		}},
		"python": {"python3.12", "app.handler", "python3", func(*testing.T) (code, layer map[string]string) {
			return map[string]string{"app.py": "import word\n\ndef handler(event, context):\n    return word.WORD\n"},
				map[string]string{"python/word.py": "WORD = 'python'\n"}
		}},
		"ruby": {"ruby3.3", "app.handler", "ruby", func(*testing.T) (code, layer map[string]string) {
			return map[string]string{"app.rb": "require 'word'\n\ndef handler(event:, context:)\n  WORD\nend\n"},
				map[string]string{"ruby/lib/word.rb": "WORD = 'ruby'\n"}
		}},
		"java": {"java17", "app.Handler::handle", "java", func(t *testing.T) (code, layer map[string]string) {
			all := classes(t)
			jar := zipped(t, map[string]string{"greet/Greeting.class": all["greet/Greeting.class"]})
			return map[string]string{"app/Handler.class": all["app/Handler.class"]}, map[string]string{"java/lib/greet.jar": string(jar)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(language.needs); err != nil {
				t.Skipf("no %s on PATH", language.needs)
			}
			code, layer := language.parts(t)
			createWith(t, s, "walls-"+name, function{runtime: language.runtime, handler: language.handler, code: zipped(t, code), memory: 512},
				publish(t, s.Client(), "walls-"+name, layer))
			if out := invoke(t, s.Client(), "walls-"+name, []byte(`{}`)); out.FunctionError != nil || string(out.Payload) != `"`+name+`"` {
				t.Errorf("answered %s\nlog:\n%s", out.Payload, logOf(t, s, "walls-"+name))
			}
		})
	}
}
