package runtimes

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// libraries returns the jars, of javaLibraries and its folder more, whose names begin so.
func libraries(t *testing.T, prefixes ...string) []string {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no javac on PATH to compile functions with")
	}
	var all []string
	for _, prefix := range prefixes {
		var found []string
		for _, dir := range []string{javaLibraries, filepath.Join(javaLibraries, "more")} {
			jars, err := filepath.Glob(filepath.Join(dir, prefix+"-[0-9]*.jar"))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, jars...)
		}
		if len(found) == 0 {
			t.Skipf("no %s in %s: run scripts/install-tools java", prefix, javaLibraries)
		}
		all = append(all, found...)
	}
	return all
}

// compiled compiles a file of testdata/java/more and returns a package of it and libraries.
func compiled(t *testing.T, source string, jars []string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("javac", "-nowarn", "--release", "17", "-proc:none", "-cp", strings.Join(jars, ":"), "-d", dir, "testdata/java/more/"+source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	classes, err := zippedFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"lib/functions.jar": classes}
	for _, jar := range jars {
		data, err := os.ReadFile(jar)
		if err != nil {
			t.Fatal(err)
		}
		files["lib/"+filepath.Base(jar)] = string(data)
	}
	return files
}

// TestJavaLogsByLibraries has functions log by log4j with AWS's appender, and by SLF4J.
func TestJavaLogsByLibraries(t *testing.T) {
	match(t, "java17")
	log4j := compiled(t, "log4j/Handler.java", libraries(t, "aws-lambda-java-core", "aws-lambda-java-log4j2", "log4j-api", "log4j-core", "log4j-layout-template-json"))
	config, err := os.ReadFile("testdata/java/more/log4j2.xml")
	if err != nil {
		t.Fatal(err)
	}
	log4j["log4j2.xml"] = string(config)
	simple := compiled(t, "slf4j/Handler.java", libraries(t, "aws-lambda-java-core", "slf4j-api", "slf4j-simple"))
	logback := compiled(t, "slf4j/Handler.java", libraries(t, "aws-lambda-java-core", "slf4j-api", "logback-classic", "logback-core"))

	const trace = `java.lang.IllegalStateException: no\n\tat log4j.Handler.handleRequest\(Handler.java:\d+\)\n[^{]*`
	for _, b := range []behaviour{
		{
			name: "log4j: a record and its trace are one, with the request's ID once there is one", ok: true, body: `"done"`,
			program: program{Runtime: "java17", Handler: "log4j.Handler", Files: log4j},
			log: ` INFO  Handler - in the constructor\n` + runner.RequestID + ` INFO  Handler - hello world\n` +
				runner.RequestID + ` ERROR Handler - oh\n` + trace + `by the logger\n`,
		},
		{
			name: "log4j: JSON", ok: true, body: `"done"`,
			program: program{
				Runtime: "java17", Handler: "log4j.Handler", Files: log4j,
				Logging: wick.LoggingConfig{Format: "JSON", ApplicationLevel: "ERROR"},
			},
			log: `\{"timestamp":"[^"]*","level":"ERROR","message":"oh","logger":"log4j.Handler","errorType":"java.lang.IllegalStateException","errorMessage":"no","stackTrace":.*"AWSRequestId":"` + runner.RequestID + `".*\}\n` +
				`\{"timestamp":"[^"]*","message":"by the logger\\n","level":"UNDEFINED","AWSRequestId":"` + runner.RequestID + `"\}\n`,
		},
		{
			name: "slf4j-simple", ok: true, body: `"org.slf4j.simple.SimpleLogger"`,
			program: program{Runtime: "java17", Handler: "slf4j.Handler", Files: simple},
			log:     `\[main\] INFO slf4j.Handler - hello world\n\[main\] ERROR slf4j.Handler - oh\njava.lang.IllegalStateException: no\n\tat slf4j.*`,
		},
		{
			name: "logback", ok: true, body: `"ch.qos.logback.classic.Logger"`,
			program: program{Runtime: "java17", Handler: "slf4j.Handler", Files: logback},
			log:     `[0-9:.]+ \[main\] INFO slf4j.Handler -- hello world\n[0-9:.]+ \[main\] ERROR slf4j.Handler -- oh\njava.lang.IllegalStateException: no\n\tat slf4j.*`,
		},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			b.check(t, runProgram(t, b.program, true))
		})
	}
}

// TestJavasSnapStartHooksAreLeftAlone registers hooks as functions for SnapStart do, which
// without it nobody calls.
func TestJavasSnapStartHooksAreLeftAlone(t *testing.T) {
	match(t, "java17")
	files := compiled(t, "crac/Handler.java", libraries(t, "aws-lambda-java-core", "crac"))
	p := runProgram(t, program{Runtime: "java17", Handler: "crac.Handler", Files: files}, true)
	if o := p.Invoke(event{}); o.Body() != `"not called"` {
		t.Errorf("answered %s", o.Body())
	}
	p.Finish()
	if got := runner.Texts(p.Records()); got != "" {
		t.Errorf("logged %q", got)
	}
}

// TestJavaEventsAreAWSs has objects of every class of AWS's events library written and read
// by AWS's serialization library and by ours, with equal texts but where there is a reason.
func TestJavaEventsAreAWSs(t *testing.T) {
	events := libraries(t, "aws-lambda-java-events")[0]
	path := strings.Join(append(libraries(t, "aws-lambda-java-events", "aws-lambda-java-core", "aws-lambda-java-serialization", "joda-time"), "java/wick-runtime.jar"), ":")
	dir := t.TempDir()
	if out, err := exec.Command("javac", "-nowarn", "-cp", path, "-d", dir, "testdata/java/compare/CompareEvents.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	out, err := exec.Command("java", "-cp", path+":"+dir, "run.wick.runtime.CompareEvents", events).Output()
	if err != nil {
		t.Fatal(err)
	}
	// Of these what AWS's library does isn't what it means to.
	different := map[string]bool{
		"APIGatewayV2CustomAuthorizerEvent": true, // its getter fails for a text that isn't Apache's date; the messages differ
		"IamPolicyResponse":                 true, // a response: AWS's library can't read what it has written
		"IamPolicyResponseV1":               true, // likewise
		"KinesisTimeWindowEvent":            true, // encryptionType comes before what it comes behind in a KinesisEvent
	}
	seen, count := map[string]bool{}, 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	current := ""
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "  ") {
			if !different[current] {
				t.Errorf("%s: %s", current, lines.Text())
			}
			continue
		}
		name, result, _ := strings.Cut(lines.Text(), " ")
		current = name
		count++
		if equal := strings.HasPrefix(result, "ok "); !equal {
			seen[name] = true
			if !different[name] {
				t.Errorf("%s isn't the same when %s", name, result)
			}
		}
	}
	if !maps.Equal(seen, different) {
		t.Errorf("different are %v, expected were %v", slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(different)))
	}
	if count < 60 {
		t.Errorf("only %d classes were compared", count)
	}
}
