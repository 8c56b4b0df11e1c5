package runtimes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/wickserver"
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

// TestJavaStartsWithAnArchive waits until one is made, which the first start of a virtual
// machine has asked for, and starts others with it: as stems, in the ordinary way, and with
// options that make it useless, of which the function's log says nothing.
func TestJavaStartsWithAnArchive(t *testing.T) {
	s := server(t, exact)
	c := s.Client()
	for _, runtime := range []string{"java17", "java25"} {
		t.Run(runtime, func(t *testing.T) {
			f := javaFunction(t, "maps", nil)
			f.runtime, f.memory = runtime, 1769
			f.timeout = 30
			ctx, cancel := context.WithTimeout(t.Context(), wickserver.Patience)
			defer cancel()
			tried := 0
			answer := func(options string) (files, log string) {
				tried++
				name := fmt.Sprintf("%s-archive-%d", runtime, tried)
				if f.env = nil; options != "" {
					f.env = map[string]string{"JAVA_TOOL_OPTIONS": options}
				}
				create(t, c, name, f)
				out := invoke(t, c, name, []byte(`{}`))
				if out.FunctionError != nil {
					t.Fatalf("%s: %s", *out.FunctionError, out.Payload)
				}
				return string(out.Payload), logOf(t, s, name)
			}
			for {
				files, _ := answer("")
				if strings.Contains(files, "/var/runtime/archive") {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("there is no archive: %s is mapped", files)
				}
			}
			for options, want := range map[string]bool{"-Dx=y": true, "-Xshare:off": false, "-XX:-UseCompressedClassPointers": false} {
				files, log := answer(options)
				if got := strings.Contains(files, "/var/runtime/archive"); got != want {
					t.Errorf("with %s the archive is mapped: %t", options, got)
				}
				for line := range strings.Lines(log) {
					if !strings.HasPrefix(line, "Picked up JAVA_TOOL_OPTIONS: ") && !regexp.MustCompile(`^(INIT_START|START|END|REPORT) |^\s*$|deprecated in version`).MatchString(line) {
						t.Errorf("with %s the log has %q", options, line)
					}
				}
			}
		})
	}
}
