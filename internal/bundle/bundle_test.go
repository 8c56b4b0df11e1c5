package bundle

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder writes files into a new folder of that name. A name that ends in * is
// executable, a content that starts with -> is a symbolic link.
func folder(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(file, "*") {
			file, mode = file[:len(file)-1], 0o755
		}
		at := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, at)
		} else {
			err = os.WriteFile(at, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// entries returns what is in a package: name → mode and content.
func entries(t *testing.T, b *Bundle) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b.Zip), int64(len(b.Zip)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = f.Mode().String() + " " + string(content)
	}
	return got
}

func TestRuntimeAndHandlerAreGuessedFromTheFiles(t *testing.T) {
	const def = "def lambda_handler(event, context):\n    pass\n"
	for _, c := range []struct {
		name             string
		files            map[string]string
		options          Options
		runtime, handler string
	}{
		{"an ES module", map[string]string{"index.mjs": "export const handler = async () => 1;"}, Options{}, "nodejs24.x", "index.handler"},
		{"CommonJS", map[string]string{"index.js": "exports.main = async () => 1;"}, Options{}, "nodejs24.x", "index.main"},
		{"an export function", map[string]string{"index.mjs": "export async function lambdaHandler() {}\nexport const helper = 1;"}, Options{}, "nodejs24.x", "index.lambdaHandler"},
		{"package.json's main", map[string]string{"package.json": `{"main":"dist/server.js"}`, "dist/server.js": "module.exports.handler = 1"}, Options{}, "nodejs24.x", "dist/server.handler"},
		{"package.json's main without extension", map[string]string{"package.json": `{"main":"lib/x"}`, "lib/x.js": ""}, Options{}, "nodejs24.x", "lib/x.handler"},
		{"package.json without main", map[string]string{"package.json": `{}`, "app.mjs": "export const handler = 1"}, Options{}, "nodejs24.x", "app.handler"},
		{"what the server has", map[string]string{"index.mjs": ""}, Options{Runtimes: []string{"python3.12", "nodejs20.x", "nodejs18.x"}}, "nodejs20.x", "index.handler"},
		{"lambda_function.py", map[string]string{"lambda_function.py": def}, Options{}, "python3.14", "lambda_function.lambda_handler"},
		{"main.py with a handler", map[string]string{"main.py": "handler = make()", "app.py": "import flask"}, Options{}, "python3.14", "main.handler"},
		{"bootstrap", map[string]string{"bootstrap*": "#!/bin/sh"}, Options{}, "provided.al2023", "bootstrap"},
		{"bootstrap before package.json", map[string]string{"bootstrap*": "#!/bin/sh", "package.json": "{}"}, Options{}, "provided.al2023", "bootstrap"},
		{"Ruby", map[string]string{"lambda_function.rb": "def lambda_handler(event:, context:)\nend\n"}, Options{}, "ruby3.4", "lambda_function.lambda_handler"},
		{"a Ruby class", map[string]string{"app.rb": "module My\n  def self.process(event:, context:)\n  end\nend\n"}, Options{Runtimes: []string{"ruby3.3"}}, "ruby3.3", "app.My.process"},
		{"a Ruby object's method is none", map[string]string{"app.rb": "class A\n  def handler\n  end\nend\n", "main.rb": "def handler(event:, context:) = 1\n"}, Options{}, "ruby3.4", "main.handler"},
		{"compiled Java", map[string]string{"a/B.class": "x"}, Options{Handler: "a.B::c"}, "java25", "a.B::c"},
		{"jars", map[string]string{"lib/a.jar": "x"}, Options{Handler: "a.B"}, "java25", "a.B"},
		{"compiled .NET", map[string]string{"app.dll": "x", "app.deps.json": "{}", "app.runtimeconfig.json": "{}"}, Options{Handler: "app::A.B::C"}, "dotnet10", "app::A.B::C"},
		{"what AWS's tools for .NET keep", map[string]string{"app.dll": "x", "app.runtimeconfig.json": "{}", "aws-lambda-tools-defaults.json": `{"function-runtime":"dotnet8","function-handler":"app::A.B::C"}`}, Options{}, "dotnet8", "app::A.B::C"},
		{"flags over files", map[string]string{"index.mjs": ""}, Options{Runtime: "nodejs18.x", Handler: "a/b.c"}, "nodejs18.x", "a/b.c"},
		{"a named runtime chooses the language", map[string]string{"index.mjs": "", "app.py": def}, Options{Runtime: "python3.11"}, "python3.11", "app.lambda_handler"},
		{"a language without rules", map[string]string{"app.jar": "x"}, Options{Runtime: "java21", Handler: "a.B::c"}, "java21", "a.B::c"},
		{"as it was before", map[string]string{"index.mjs": ""}, Options{Before: Before{"nodejs18.x", "own.handler"}}, "nodejs18.x", "own.handler"},
		{"another language than before", map[string]string{"index.mjs": ""}, Options{Before: Before{"python3.9", "app.handler"}}, "nodejs24.x", "index.handler"},
		{"as before, where nothing can be guessed", map[string]string{"a.class": ""}, Options{Before: Before{"java21", "a.B::c"}}, "java21", "a.B::c"},
		{"a newer runtime keeps the handler", map[string]string{"index.mjs": ""}, Options{Runtime: "nodejs22.x", Before: Before{"nodejs18.x", "own.handler"}}, "nodejs22.x", "own.handler"},
		{"another language by flag", map[string]string{"index.mjs": "", "app.py": def}, Options{Runtime: "python3.11", Before: Before{"nodejs18.x", "own.handler"}}, "python3.11", "app.lambda_handler"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Make(t.Context(), folder(t, "f", c.files), c.options)
			if err != nil {
				t.Fatal(err)
			}
			if b.Runtime != c.runtime || b.Handler != c.handler {
				t.Errorf("guessed %s and %s, want %s and %s", b.Runtime, b.Handler, c.runtime, c.handler)
			}
		})
	}
}

func TestWhatCannotBeDeployedIsSaid(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   map[string]string
		options Options
		want    string // in the error
	}{
		{"no language", map[string]string{"notes.txt": ""}, Options{}, "name --runtime and --handler"},
		{"nothing", nil, Options{Runtime: "java21", Handler: "a"}, "holds no files"},
		{"TypeScript", map[string]string{"index.ts": ""}, Options{}, "compile it to JavaScript"},
		{"a broken package.json", map[string]string{"package.json": "{"}, Options{}, "not valid JSON"},
		{"no handler", map[string]string{"x.py": ""}, Options{Runtime: "python3.12"}, "name it with --handler"},
		{"a dangling link", map[string]string{"index.mjs": "", "lost": "->nowhere"}, Options{}, "a link to nothing"},
		{"a link to where it is in", map[string]string{"index.mjs": "", "sub/up": "->.."}, Options{}, "links to a folder that it is in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Make(t.Context(), folder(t, "f", c.files), c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	file := filepath.Join(folder(t, "f", map[string]string{"index.mjs": ""}), "index.mjs")
	if _, err := Make(t.Context(), file, Options{}); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("the error for a file is %v", err)
	}
}

func TestAPackageHoldsTheFolderWithExecutableBitsAndWithoutJunk(t *testing.T) {
	dir := folder(t, "f", map[string]string{
		"index.mjs": "code", "bin/tool*": "tool", "lib/data": "data", "link": "->lib/data",
		".git/HEAD": "ref", "__pycache__/x.pyc": "", "sub/.DS_Store": "", ".env": "kept",
	})
	b, err := Make(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, b)
	want := map[string]string{
		"index.mjs": "-rw-r--r-- code", "bin/tool": "-rwxr-xr-x tool", "lib/data": "-rw-r--r-- data",
		"link": "-rw-r--r-- data", ".env": "-rw-r--r-- kept",
	}
	for name, entry := range want {
		if got[name] != entry {
			t.Errorf("%s is %q, want %q", name, got[name], entry)
		}
	}
	if len(got) != len(want) {
		t.Errorf("it holds %d entries, want %d: %v", len(got), len(want), got)
	}
}

func TestEqualFoldersGiveEqualPackages(t *testing.T) {
	files := map[string]string{"index.mjs": "code", "a/b/c": "deep", "bin/x*": "x", "z": "z"}
	first := folder(t, "one", files)
	second := folder(t, "two", files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(second, "z"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(second, "z"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Make(t.Context(), first, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Make(t.Context(), second, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Zip, b.Zip) || a.CodeSHA256 != b.CodeSHA256 {
		t.Errorf("the packages differ: %s and %s", a.CodeSHA256, b.CodeSHA256)
	}
	if err := os.Chmod(filepath.Join(second, "z"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Make(t.Context(), second, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.CodeSHA256 == a.CodeSHA256 {
		t.Error("an executable bit makes no difference")
	}
}

func TestGoIsBuiltForLambda(t *testing.T) {
	dir := folder(t, "f", map[string]string{"go.mod": "module f\n\ngo 1.21\n", "main.go": "package main\n\nfunc main() {}\n"})
	for _, arch := range []string{"x86_64", "arm64"} {
		b, err := Make(t.Context(), dir, Options{Architecture: arch})
		if err != nil {
			t.Fatal(err)
		}
		got := entries(t, b)
		if len(got) != 1 || !strings.HasPrefix(got["bootstrap"], "-rwxr-xr-x \x7fELF") {
			t.Errorf("%s: the package is not one executable bootstrap", arch)
		}
		// e_machine of the ELF header.
		machine := map[string]byte{"x86_64": 62, "arm64": 183}[arch]
		if at := len("-rwxr-xr-x ") + 18; got["bootstrap"][at] != machine {
			t.Errorf("%s: it is built for ELF machine %d, want %d", arch, got["bootstrap"][at], machine)
		}
		if b.Runtime != "provided.al2023" || b.Handler != "bootstrap" || !strings.Contains(b.Built, "CGO_ENABLED=0") {
			t.Errorf("%s: runtime %s, handler %s, built by %q", arch, b.Runtime, b.Handler, b.Built)
		}
	}
	broken := folder(t, "f", map[string]string{"go.mod": "module f\n", "main.go": "package main\n\nfunc main() { return 1 }\n"})
	var output bytes.Buffer
	if _, err := Make(t.Context(), broken, Options{Output: &output}); err == nil || !strings.Contains(err.Error(), "go build") {
		t.Errorf("the error of code that doesn't compile is %v", err)
	}
	if !strings.Contains(output.String(), "main.go:3") {
		t.Errorf("the compiler's words are lost: %q", output.String())
	}
}

func TestRustIsBuiltAndItsBinaryFound(t *testing.T) {
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("cargo is not installed on this machine")
	}
	const manifest = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[profile.release]\nopt-level = 0\n"
	one := folder(t, "f", map[string]string{"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n"})
	b, err := Make(t.Context(), one, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, b); len(got) != 1 || !strings.HasPrefix(got["bootstrap"], "-rwxr-xr-x \x7fELF") {
		t.Errorf("the package is not one executable bootstrap")
	}
	two := folder(t, "f", map[string]string{"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n", "src/bin/other.rs": "fn main() {}\n"})
	if _, err := Make(t.Context(), two, Options{}); err == nil || !strings.Contains(err.Error(), "name one with --handler") {
		t.Errorf("the error of two binaries is %v", err)
	}
	if b, err = Make(t.Context(), two, Options{Handler: "other"}); err != nil || b.Handler != "other" {
		t.Errorf("naming one of two binaries: %v", err)
	}
}

func TestAMakefileMakesTheBootstrapElsewhere(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed on this machine")
	}
	dir := folder(t, "f", map[string]string{"Makefile": "bootstrap: source\n\tcp $< $@\n", "source": "#!/bin/sh\n"})
	b, err := Make(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, b); len(got) != 1 || got["bootstrap"] != "-rwxr-xr-x #!/bin/sh\n" || b.Built != "make bootstrap" {
		t.Errorf("made %v with %s", got, b.Built)
	}
	if _, err := os.Stat(filepath.Join(dir, "bootstrap")); err == nil {
		t.Error("the folder was written to")
	}
	for name, c := range map[string]struct {
		makefile, want string
		o              Options
	}{
		"no rule":      {"all:\n\ttrue\nbootstrap = x\n", "cannot tell which language", Options{}},
		"it fails":     {"bootstrap:\n\tfalse\n", "make --no-print-directory", Options{}},
		"another name": {"bootstrap:\n\ttouch other\n", "made no bootstrap", Options{}},
		"another machine": {"bootstrap:\n\ttouch bootstrap\n", "is built for this machine", Options{
			Architecture: map[bool]string{true: "x86_64", false: "arm64"}[HostArchitecture() == "arm64"],
		}},
	} {
		_, err := Make(t.Context(), folder(t, "f", map[string]string{"Makefile": c.makefile}), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestJavasHandlerIsReadFromItsSource(t *testing.T) {
	for source, want := range map[string]string{
		"package a.b;\npublic class C implements RequestHandler<Map<String, Object>, String> {":         "a.b.C",
		"package a;\npublic final class C extends D implements X, RequestStreamHandler\n{":              "a.C",
		"public class C {\n  public String handle(String s) {":                                          "C::handle",
		"package a;\npublic class C {\n  public static Map<String, List<Integer>> handleRequest(A a) {": "a.C::handleRequest",
		"package a;\npublic class C {\n  private void handler(A a) {":                                   "",
		"package a;\nclass C implements RequestHandler<A, B> {":                                         "",
		"package a;\npublic interface C {}":                                                             "",
	} {
		if got := javaHandler([]byte(source)); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

func TestJavaIsCompiledForItsRuntime(t *testing.T) {
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no javac on PATH")
	}
	dir := folder(t, "f", map[string]string{
		"src/a/B.java": "package a;\npublic class B { public String handle() { return C.D; } }", "src/a/C.java": "package a;\nclass C { static final String D = \"d\"; }",
		"data/x.txt": "x",
	})
	b, err := Make(t.Context(), dir, Options{Runtime: "java11"})
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, b)
	if len(got) != 3 || got["a/C.class"] == "" || !strings.HasSuffix(got["data/x.txt"], " x") || b.Handler != "a.B::handle" || b.Built != "javac --release 11" {
		t.Errorf("%s by %q has %q", b.Handler, b.Built, got)
	}
	// A class file's version is that of its Java and 44.
	if class := got["a/B.class"]; !strings.Contains(class, "\xca\xfe\xba\xbe\x00\x00\x007") {
		t.Errorf("a/B.class begins %.30q", class)
	}
	broken := folder(t, "f", map[string]string{"B.java": "public class B {"})
	if _, err := Make(t.Context(), broken, Options{Handler: "B::x"}); err == nil || !strings.Contains(err.Error(), "javac") {
		t.Errorf("the error for a broken source is %v", err)
	}
}

func TestDotnetsHandlerIsReadFromItsSource(t *testing.T) {
	for source, want := range map[string]string{
		"namespace A.B;\npublic class C\n{\n  public async Task<string> FunctionHandler(string s, ILambdaContext c)": "A.B.C::FunctionHandler",
		"namespace A\n{\n  public static class C\n  {\n    public static Stream Handle(Stream s)":                    "A.C::Handle",
		"public sealed class C { public List<int> FunctionHandlerAsync() {":                                          "C::FunctionHandlerAsync",
		"namespace A;\npublic class C { private string FunctionHandler(string s)":                                    "",
		"namespace A;\ninternal class C { public string FunctionHandler(string s)":                                   "",
	} {
		if got := csharpHandler([]byte(source)); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

// TestADotnetProjectIsPublished has a program in the SDK's place, which says how it was
// called: the SDK itself isn't where tests run.
func TestADotnetProjectIsPublished(t *testing.T) {
	const sdk = "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\nmkdir -p \"$2\" && echo '{}' >\"$2/Own.runtimeconfig.json\" && echo x >\"$2/Own.dll\"\n"
	bin := folder(t, "bin", map[string]string{"dotnet*": sdk})
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, c := range map[string]struct{ project, handler string }{
		"a class library": {"<Project><TargetFramework>net8.0</TargetFramework><AssemblyName>Own</AssemblyName></Project>", "Own::A.C::FunctionHandler"},
		"a program":       {"<Project><TargetFramework>net8.0</TargetFramework><OutputType>Exe</OutputType></Project>", "app"},
	} {
		dir := folder(t, "f", map[string]string{"app.csproj": c.project, "C.cs": "namespace A;\npublic class C { public string FunctionHandler(string s) => s; }"})
		b, err := Make(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := entries(t, b); len(got) != 2 || got["Own.dll"] == "" || b.Runtime != "dotnet8" || b.Handler != c.handler || b.Built != "dotnet publish" {
			t.Errorf("%s: %s %s by %q has %q", name, b.Runtime, b.Handler, b.Built, got)
		}
	}
}

func TestABuiltPackageIsTakenAsItIs(t *testing.T) {
	zipped, _, err := archive([]file{{name: "a/B.class", data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	jar := filepath.Join(folder(t, "f", map[string]string{"app.jar": string(zipped), "not.zip": "x"}), "app.jar")
	b, err := Make(t.Context(), jar, Options{Handler: "a.B::c"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Zip, zipped) || b.Runtime != "java25" || b.Files != 1 || b.UnpackedBytes != 1 || b.CodeSHA256 == "" || Name(jar) != "app" {
		t.Errorf("%+v of name %s", b, Name(jar))
	}
	for name, want := range map[string]string{jar: "name --runtime and --handler", filepath.Join(filepath.Dir(jar), "not.zip"): "is no zip file"} {
		if _, err := Make(t.Context(), name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNameIsTheFoldersAsAWSAllowsIt(t *testing.T) {
	for dir, want := range map[string]string{
		"/a/hello": "hello", "/a/my.fun ction": "my-fun-ction", "/a/under_score-1/": "under_score-1", "/a/Grüße": "Gr--e", "/" + strings.Repeat("x", 70): strings.Repeat("x", 64),
	} {
		if got := Name(dir); got != want {
			t.Errorf("the name of %s is %s, want %s", dir, got, want)
		}
	}
	t.Chdir(folder(t, "here", nil))
	if got := Name("."); got != "here" {
		t.Errorf("the name of . is %s, want here", got)
	}
}

// The examples are what people try first: what wick deploy guesses for them is fixed here.
func TestTheExamplesAreGuessedRight(t *testing.T) {
	known := map[string]string{
		"node-hello": "nodejs index.handler", "node-webhook": "nodejs index.handler",
		"python-hello": "python app.handler", "python-csv-to-json": "python lambda_function.lambda_handler",
		"go-hello": "provided bootstrap", "go-thumbnail": "provided bootstrap",
		"rust-hello": "provided bootstrap", "rust-access-log": "provided bootstrap",
		"ruby-hello": "ruby app.handler", "java-hello": "java hello.Hello::handler",
		"dotnet-hello":     "dotnet Hello::Hello.Function::FunctionHandler",
		"python-greetings": "python app.handler", "bash-hello": "provided bootstrap", "cpp-hello": "provided bootstrap",
		"failing-error": "nodejs index.handler", "failing-timeout": "python app.handler",
		"node-inventory": "nodejs index.handler", "python-inventory": "python app.handler",
	}
	for dir, want := range known {
		p, err := inspect(filepath.Join("../../examples", dir), Options{})
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if got := language(p.runtime) + " " + p.handler; got != want {
			t.Errorf("%s is guessed to be %s, want %s", dir, got, want)
		}
	}
	all, err := filepath.Glob("../../examples/*-*")
	if err != nil || len(all) != len(known) {
		t.Errorf("there are %d examples, and this test knows %d: %v %v", len(all), len(known), all, err)
	}
}
