package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// project is what a folder turned out to be.
type project struct {
	runtime, handler             string
	runtimeReason, handlerReason string
	// compile builds the function and returns the binary's path and the command that
	// made it. Nil for what runs as it is.
	compile func(ctx context.Context, dir, scratch string, o Options) (binary, command string, err error)
	// build makes the whole package and returns its files. Nil for what needs no building.
	build func(ctx context.Context, dir, scratch string, o Options) (files []file, command string, err error)
}

// newest are the runtimes to guess when nobody says which ones there are.
var newest = []string{"nodejs24.x", "python3.14", "ruby3.4", "java25", "dotnet10", "provided.al2023"}

// languages are looked for in this order: a Go or Rust project may well have a
// package.json for its tooling, hardly the other way round.
var languages = []struct {
	prefix string // of the runtime identifiers
	look   func(dir string, p *project) (found bool, err error)
}{
	{"provided", lookBinary},
	{"java", lookMaven},
	{"dotnet", lookDotnet},
	{"nodejs", lookNode},
	{"python", lookPython},
	{"ruby", lookRuby},
	{"java", lookJava},
}

// inspect finds out a folder's runtime, handler and build. What o names is taken as it
// is; the rest is looked for.
func inspect(dir string, o Options) (*project, error) {
	p := &project{}
	for _, l := range languages {
		if o.Runtime != "" && !strings.HasPrefix(o.Runtime, l.prefix) {
			continue
		}
		found, err := l.look(dir, p)
		if err != nil {
			return nil, err
		}
		if found {
			if p.runtime == "" {
				p.runtime = choose(l.prefix, o.Runtimes)
			}
			break
		}
	}
	p.settle(o)
	switch {
	case p.runtime == "":
		return nil, fmt.Errorf("cannot tell which language %s is written in (no bootstrap, go.mod, Cargo.toml, Makefile with a bootstrap, pom.xml, .NET project, package.json, index.js, index.mjs, or Python, Ruby or Java file with a handler): name --runtime and --handler", dir)
	case p.handler == "":
		return nil, fmt.Errorf("found no handler for %s in %s: name it with --handler", p.runtime, dir)
	}
	return p, nil
}

// settle puts what is named over what was there before, and that over what was guessed.
func (p *project) settle(o Options) {
	const before = "the function as it was"
	if language(o.Before.Runtime) == language(p.runtime) || p.runtime == "" {
		if o.Before.Runtime != "" {
			p.runtime, p.runtimeReason = o.Before.Runtime, before
		}
		if o.Before.Handler != "" && (o.Runtime == "" || language(o.Runtime) == language(p.runtime)) {
			p.handler, p.handlerReason = o.Before.Handler, before
		}
	}
	if o.Runtime != "" {
		p.runtime, p.runtimeReason = o.Runtime, ""
	}
	if o.Handler != "" {
		p.handler, p.handlerReason = o.Handler, ""
	}
}

// language returns the part of a runtime identifier before its version.
func language(runtime string) string {
	if i := strings.IndexAny(runtime, "0123456789."); i >= 0 {
		return runtime[:i]
	}
	return runtime
}

// choose returns the best runtime of a language.
func choose(prefix string, runtimes []string) string {
	for _, list := range [][]string{runtimes, newest} {
		for _, r := range list {
			if strings.HasPrefix(r, prefix) {
				return r
			}
		}
	}
	return prefix
}

func lookBinary(dir string, p *project) (bool, error) {
	p.handler = "bootstrap"
	switch {
	case exists(dir, "bootstrap"):
		p.runtimeReason = "bootstrap"
	case exists(dir, "go.mod"):
		p.runtimeReason, p.compile = "go.mod", buildGo
	case exists(dir, "Cargo.toml"):
		p.runtimeReason, p.compile = "Cargo.toml", buildRust
	case makesBootstrap(dir):
		p.runtimeReason, p.compile = "Makefile", buildMake
	default:
		p.handler = ""
		return false, nil
	}
	p.handlerReason = p.runtimeReason
	return true, nil
}

var bootstrapRule = regexp.MustCompile(`(?m)^bootstrap\s*:(?:[^=]|$)`)

// makesBootstrap says whether a folder has a Makefile with a rule for bootstrap.
func makesBootstrap(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	return err == nil && bootstrapRule.Match(data)
}

// The names under which a module shows its functions, CommonJS and ES.
var nodeExports = regexp.MustCompile(`(?m)(?:\bexports\.(\w+)\s*=|^\s*export\s+(?:async\s+)?(?:const|let|var|function\*?|class)\s+(\w+))`)

func lookNode(dir string, p *project) (bool, error) {
	var entries []string // modules to look at, best first
	manifest := exists(dir, "package.json")
	if manifest {
		p.runtimeReason = "package.json"
		data, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err != nil {
			return false, err
		}
		var pkg struct {
			Main string `json:"main"`
		}
		if err := json.Unmarshal(data, &pkg); err != nil {
			return false, fmt.Errorf("%s is not valid JSON: %w", filepath.Join(dir, "package.json"), err)
		}
		if main := filepath.ToSlash(filepath.Clean(pkg.Main)); pkg.Main != "" && filepath.IsLocal(main) {
			entries = append(entries, main)
		}
	}
	for _, stem := range []string{"index", "app", "handler", "main"} {
		for _, ext := range []string{".mjs", ".js", ".cjs"} {
			entries = append(entries, stem+ext)
		}
		if !manifest {
			break // app.js alone could be anything
		}
	}
	for _, entry := range entries {
		if filepath.Ext(entry) == "" {
			entry += ".js"
		}
		source, err := os.ReadFile(filepath.Join(dir, entry))
		if err != nil {
			continue // the next may be there
		}
		if !manifest {
			p.runtimeReason = entry
		}
		p.handler = strings.TrimSuffix(entry, filepath.Ext(entry)) + "." + exported(source)
		p.handlerReason = entry
		return true, nil
	}
	if exists(dir, "index.ts") {
		return false, fmt.Errorf("%s is TypeScript: compile it to JavaScript first and deploy the output folder", filepath.Join(dir, "index.ts"))
	}
	return manifest, nil
}

// exported returns the name of the function a module seems to export as its handler.
func exported(source []byte) string {
	var names []string
	for _, m := range nodeExports.FindAllSubmatch(source, -1) {
		name := string(m[1]) + string(m[2])
		if name == "handler" {
			return name
		}
		names = append(names, name)
	}
	for _, name := range names {
		if strings.Contains(strings.ToLower(name), "handler") {
			return name
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	return "handler"
}

var pythonHandler = regexp.MustCompile(`(?m)^(?:async\s+)?def\s+(lambda_handler|handler)\s*\(|^(lambda_handler|handler)\s*=`)

func lookPython(dir string, p *project) (bool, error) {
	for _, name := range []string{"lambda_function.py", "app.py", "main.py", "handler.py", "index.py"} {
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // the next may be there
		}
		m := pythonHandler.FindSubmatch(source)
		if m == nil {
			continue
		}
		p.runtimeReason, p.handlerReason = name, name
		p.handler = strings.TrimSuffix(name, ".py") + "." + string(m[1]) + string(m[2])
		return true, nil
	}
	return false, nil
}

var rubyHandler = regexp.MustCompile(`(?m)^([ \t]*)def\s+(self\.)?(lambda_handler|handler|process)\b`)

var rubyClass = regexp.MustCompile(`(?m)^(?:class|module)\s+([\w:]+)`)

func lookRuby(dir string, p *project) (bool, error) {
	for _, name := range []string{"lambda_function.rb", "app.rb", "function.rb", "main.rb", "handler.rb", "index.rb"} {
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // the next may be there
		}
		m := rubyHandler.FindSubmatch(source)
		if m == nil {
			continue
		}
		handler := string(m[3])
		if class := rubyClass.FindSubmatch(source); class != nil && len(m[2]) > 0 {
			handler = string(class[1]) + "." + handler
		} else if len(m[1])+len(m[2]) > 0 {
			continue // a method of some object
		}
		p.runtimeReason, p.handlerReason = name, name
		p.handler = strings.TrimSuffix(name, ".rb") + "." + handler
		return true, nil
	}
	return false, nil
}

// lookMaven comes before the others: a Maven project may well have a package.json.
func lookMaven(dir string, p *project) (bool, error) {
	if !exists(dir, "pom.xml") {
		return false, nil
	}
	return lookJava(dir, p)
}

// exists tells whether dir has a regular file of that name.
func exists(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}
