package differential

import (
	"archive/zip"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// errMissing is that the machine lacks what a language's functions are compiled with.
var errMissing = errors.New("missing")

// cache is where compilers keep what doesn't change from run to run.
const cache = "../../.cache/differential"

// javaLibraries is where scripts/install-tools java puts what functions are written with.
const javaLibraries = "../../.cache/java"

// buildJava compiles all cases into one jar; a case is a package of its own.
func buildJava(cases []testCase) (map[string]string, error) {
	javac, err := exec.LookPath("javac")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	libraries, err := filepath.Glob(filepath.Join(javaLibraries, "*.jar"))
	if err != nil || len(libraries) < 3 {
		return nil, fmt.Errorf("%w: the libraries of Java functions: run scripts/install-tools java", errMissing)
	}
	links := map[string]string{}
	for _, library := range libraries {
		if links["lib/"+filepath.Base(library)], err = filepath.Abs(library); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(scratch, "java")
	sources, err := writeSources(filepath.Join(dir, "src"), "java", cases)
	if err != nil {
		return nil, err
	}
	classes := filepath.Join(dir, "classes")
	args := append([]string{"-nowarn", "--release", "17", "-g", "-cp", strings.Join(libraries, ":"), "-d", classes}, sources...)
	if out, err := exec.Command(javac, args...).CombinedOutput(); err != nil { //nolint:gosec // the machine's compiler
		return nil, fmt.Errorf("javac: %w\n%s", err, out)
	}
	jar, err := os.Create(filepath.Join(dir, "functions.jar")) //nolint:gosec // ours
	if err != nil {
		return nil, err
	}
	w := zip.NewWriter(jar)
	links["lib/functions.jar"] = jar.Name()
	return links, errors.Join(w.AddFS(os.DirFS(classes)), w.Close(), jar.Close())
}

// buildGo compiles all cases into one program that is the function _HANDLER names. A case
// is a package with a Handler, or with a Start that starts the client itself.
func buildGo(cases []testCase) (map[string]string, error) {
	dir := filepath.Join(scratch, "go")
	if _, err := writeSources(dir, "go", cases); err != nil {
		return nil, err
	}
	var imports, choices strings.Builder
	for _, c := range cases {
		source := strings.Join(slices.Collect(maps.Values(c.files["go"])), "\n")
		switch id := c.identifier(); {
		case source == "":
			continue
		case strings.Contains(source, "func Start()"):
			fmt.Fprintf(&choices, "\tcase %q:\n\t\t%s.Start()\n", id, id)
		default:
			fmt.Fprintf(&choices, "\tcase %q:\n\t\tlambda.Start(%s.Handler)\n", id, id)
		}
		fmt.Fprintf(&imports, "\t%q\n", "differential/"+c.identifier())
	}
	main := "package main\n\nimport (\n\t\"os\"\n\n\t\"github.com/aws/aws-lambda-go/lambda\"\n" + imports.String() +
		")\n\nfunc main() {\n\tswitch os.Getenv(\"_HANDLER\") {\n" + choices.String() + "\t}\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o600); err != nil {
		return nil, err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := copyFile(filepath.Join("testdata/go", name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-o", "bootstrap", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	return program(cmd, filepath.Join(dir, "bootstrap"))
}

// buildRust does the same with Cargo, whose work on the dependencies is kept in the cache. A
// case is a module with a handler, or with a run that runs the client itself.
func buildRust(cases []testCase) (map[string]string, error) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	dir, err := filepath.Abs(filepath.Join(cache, "rust"))
	if err != nil {
		return nil, err
	}
	var modules, choices strings.Builder
	for _, c := range cases {
		source, ok := c.files["rust"]["handler.rs"]
		if !ok {
			continue
		}
		id := c.identifier()
		if err := writeChanged(filepath.Join(dir, "src", id+".rs"), source); err != nil {
			return nil, err
		}
		fmt.Fprintf(&modules, "mod %s;\n", id)
		if strings.Contains(source, "pub async fn run()") {
			fmt.Fprintf(&choices, "        %q => %s::run().await,\n", id, id)
		} else {
			fmt.Fprintf(&choices, "        %q => lambda_runtime::run(lambda_runtime::service_fn(%s::handler)).await,\n", id, id)
		}
	}
	main := modules.String() + "\n#[tokio::main(flavor = \"current_thread\")]\nasync fn main() -> Result<(), lambda_runtime::Error> {\n" +
		"    match std::env::var(\"_HANDLER\").unwrap_or_default().as_str() {\n" + choices.String() +
		"        name => Err(format!(\"there is no case {name}\").into()),\n    }\n}\n"
	if err := writeChanged(filepath.Join(dir, "src", "main.rs"), main); err != nil {
		return nil, err
	}
	for _, name := range []string{"Cargo.toml", "Cargo.lock"} {
		if err := copyFile(filepath.Join("testdata/rust", name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("cargo", "build", "--quiet", "--locked")
	cmd.Dir = dir
	return program(cmd, filepath.Join(dir, "target", "debug", "bootstrap"))
}

// program runs a compiler and returns the package with what it made.
func program(compiler *exec.Cmd, made string) (map[string]string, error) {
	if out, err := compiler.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compiler, err, out)
	}
	return map[string]string{"bootstrap": made}, nil
}

// writeSources writes a language's files, each case's into a folder of its own.
func writeSources(dir, folder string, cases []testCase) (paths []string, err error) {
	for _, c := range cases {
		for name, text := range c.files[folder] {
			at := filepath.Join(dir, c.identifier(), name)
			if err := writeChanged(at, text); err != nil {
				return nil, err
			}
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// writeChanged leaves a file alone that has the text already: compilers look at its time.
func writeChanged(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text { //nolint:gosec // ours
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // of a cache
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from) //nolint:gosec // ours
	if err != nil {
		return err
	}
	return writeChanged(to, string(data))
}
