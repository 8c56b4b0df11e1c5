package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryFlagOfServeIsDocumented(t *testing.T) {
	page := read(t, "../../docs/configuration.md")
	flags := newServeCommand().Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(page, "`--"+f.Name+"`") && !strings.Contains(page, "`--"+f.Name+" ") {
			t.Errorf("docs/configuration.md doesn't know --%s", f.Name)
		}
	})
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z0-9-]+)").FindAllStringSubmatch(page, -1) {
		if flags.Lookup(m[1]) == nil {
			t.Errorf("docs/configuration.md has --%s, and wick serve hasn't", m[1])
		}
	}
}

func TestEveryDependencyIsAccountedFor(t *testing.T) {
	imports, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`, "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`(?m)^\t(\S+) v\S+`).FindAllStringSubmatch(read(t, "../../go.mod"), -1)
	if len(modules) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	page := read(t, "../../docs/dependencies.md")
	used := map[string]bool{}
	for _, path := range strings.Fields(string(imports)) {
		module := "" // the longest that the path is in
		for _, m := range modules {
			if (path == m[1] || strings.HasPrefix(path, m[1]+"/")) && len(m[1]) > len(module) {
				module = m[1]
			}
		}
		used[module] = true
	}
	delete(used, "") // the standard library and Wick itself
	for module := range used {
		if !regexp.MustCompile(`(?m)^\|[^|]*` + regexp.QuoteMeta(module) + `[ ,]`).MatchString(page) {
			t.Errorf("docs/dependencies.md doesn't say what %s is for", module)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]*\.[^|]*) \|`).FindAllStringSubmatch(page, -1) {
		for _, module := range strings.Split(m[1], ", ") {
			if !used[module] {
				t.Errorf("docs/dependencies.md has %s, which nothing imports", module)
			}
		}
	}
}

// ARCHITECTURE.md's table of rooms is the rule for imports; this holds the code to it.
func TestRoomsImportWhatTheArchitectureSays(t *testing.T) {
	const module = "github.com/wick-run/wick"
	may := map[string][]string{} // room → what it may import
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)`[^|]*\\|[^|]*\\|([^|]*)\\|$")
	for _, m := range row.FindAllStringSubmatch(read(t, "../../ARCHITECTURE.md"), -1) {
		may[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
	}
	list, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	room := func(path string) string {
		if path == module {
			return "wick"
		}
		return strings.TrimPrefix(path, module+"/")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		paths := strings.Fields(line)
		name := room(paths[0])
		seen[name] = true
		allowed, known := may[name]
		switch {
		case strings.HasPrefix(name, "internal/testkit"), strings.HasPrefix(name, "test/"), strings.HasPrefix(name, "sandbox/sandboxtest"), strings.HasSuffix(name, "/gen"):
			continue // for tests and for building: they may know everyone
		case !known:
			t.Errorf("ARCHITECTURE.md has no row for %s", name)
			continue
		case slices.Contains(allowed, "everything"):
			continue
		}
		for _, path := range paths[1:] {
			if strings.HasPrefix(path, module) && !slices.Contains(allowed, room(path)) {
				t.Errorf("%s imports %s, which ARCHITECTURE.md doesn't allow", name, room(path))
			}
		}
	}
	for name := range may {
		if !seen[name] {
			t.Errorf("ARCHITECTURE.md has a row for %s, which isn't there", name)
		}
	}
}

// Links between our pages must lead somewhere.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	pages, err := exec.Command("git", "-C", "../..", "ls-files", "-co", "--exclude-standard", "*.md").Output()
	if err != nil {
		t.Skip("this is no git checkout: its pages can't be listed")
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, page := range strings.Fields(string(pages)) {
		dir := page[:strings.LastIndex(page, "/")+1]
		for _, m := range link.FindAllStringSubmatch(read(t, "../../"+page), -1) {
			if _, err := os.Stat("../../" + dir + m[1]); err != nil {
				t.Errorf("%s links to %s, which isn't there", page, m[1])
			}
		}
	}
}
