package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// javaFunction compiles a folder of testdata/java, whose handler is echo.Handler, as AWS's
// recordings have it.
func javaFunction(t *testing.T, source string, more map[string]string) function {
	t.Helper()
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip("no javac on PATH to compile the function with")
	}
	libraries, err := filepath.Glob("../../.cache/java/aws-lambda-java-core-*.jar")
	if err != nil || len(libraries) == 0 {
		t.Skip("no aws-lambda-java-core in .cache/java: run scripts/install-tools java")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), javac, "-nowarn", "--release", "8", "-cp", libraries[0], "-d", dir,
		filepath.Join("testdata", "java", source, "echo", "Handler.java"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	files := map[string]string{
		"echo/Handler.class": filepath.Join(dir, "echo", "Handler.class"), "lib/aws-lambda-java-core.jar": libraries[0],
	}
	for name, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	for name, text := range more {
		files[name] = text
	}
	return function{handler: "echo.Handler", code: zipped(t, files)}
}
