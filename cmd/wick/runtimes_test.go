package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/client"
	"github.com/wick-run/wick/runtimes"
)

// bareMachine is one with nothing on it but what add puts there.
func bareMachine(t *testing.T, add func(home string)) *runtimes.Set {
	t.Helper()
	home := t.TempDir()
	if add != nil {
		add(home)
	}
	set, err := runtimes.Discover(context.Background(), runtimes.Options{
		Dir: t.TempDir(), Home: home, Root: t.TempDir(), Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// javaAt puts a Java of a version where SDKMAN keeps its own.
func javaAt(t *testing.T, home, version string) {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip("there is no small program to copy, /bin/true")
	}
	dir := filepath.Join(home, ".sdkman/candidates/java", version)
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"bin/java": program, "release": []byte(`JAVA_VERSION="` + version + `"`)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
}

func TestEveryRuntimeIsListedWithWhatRunsIt(t *testing.T) {
	list := listRuntimes(bareMachine(t, func(home string) { javaAt(t, home, "21.0.4") }))
	names := map[string]client.Runtime{}
	for _, r := range list {
		names[r.Runtime] = r
	}
	if len(names) != len(list) || len(names) != len(runtimes.Identifiers()) {
		t.Errorf("%d of %d runtimes are listed", len(names), len(runtimes.Identifiers()))
	}
	for runtime, want := range map[string]client.Runtime{
		"java21":          {Status: client.RuntimeExact, Version: "21.0.4", Exact: true},
		"java17":          {Status: client.RuntimeNear, Version: "21.0.4"},
		"java8":           {Status: client.RuntimeNear, Version: "21.0.4", Deprecated: true},
		"java25":          {Status: client.RuntimeMissing, Advice: "wick runtimes install java25"},
		"nodejs22.x":      {Status: client.RuntimeMissing, Advice: "wick runtimes install nodejs22.x"},
		"provided.al2023": {Status: client.RuntimeOwn, Exact: true},
		"nodejs":          {Status: client.RuntimeMissing, Advice: "runtime nodejs is not supported by Wick", Deprecated: true},
	} {
		got := names[runtime]
		got.Runtime, got.Language, got.Bin, got.Source = "", "", "", ""
		if got != want {
			t.Errorf("%s is %+v, not %+v", runtime, got, want)
		}
	}
	if !slices.IsSortedFunc(list, func(a, b client.Runtime) int { return strings.Compare(a.Language, b.Language) }) {
		t.Error("the list isn't by language")
	}
	var table bytes.Buffer
	if err := printRuntimes(&table, list); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`(?m)^java25 +missing +wick runtimes install java25$`, `(?m)^java21 +java 21.0.4 +/\S+ \(sdkman\)$`,
		`(?m)^java17 +java 21.0.4, the nearest +/`, `(?m)^java8 \(deprecated\) +java 21`, `(?m)^provided.al2023 +the function's own bootstrap *$`,
	} {
		if !regexp.MustCompile(line).Match(table.Bytes()) {
			t.Errorf("no line is like %s:\n%s", line, &table)
		}
	}
}

func TestNumbersInNamesAreCompared(t *testing.T) {
	names := []string{"python3.12", "python3.9", "java8", "java21", "java8.al2", "python3"}
	slices.SortFunc(names, compareNatural)
	if want := []string{"java8", "java8.al2", "java21", "python3", "python3.9", "python3.12"}; !slices.Equal(names, want) {
		t.Errorf("in order they are %q, not %q", names, want)
	}
}
