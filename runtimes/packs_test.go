package runtimes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// packed is a program whose modules are compiled ahead.
type packed struct {
	program
	// asIf, by path, is what is compiled in the place of what is in the files: what comes of
	// it shows what is taken from the pack.
	asIf map[string]string
	// damage changes the pack.
	damage func([]byte) []byte
}

// start starts it in one of the two ways.
func (k packed) start(t *testing.T, stem bool) *process {
	t.Helper()
	m := match(t, k.Runtime)
	p := k.process(t, m)
	if !stem || set(t).NeedsOrdinary(m, k.Function()) {
		bootOrdinary(t, p, m, k.program)
		return p
	}
	assign(p, bootStem(t, p, m, k.program), m, k.program)
	return p
}

// process returns one that isn't started, with the program and its pack in place.
func (k packed) process(t testing.TB, m Match) *process {
	t.Helper()
	l := m.Language.known()
	bootstrap := filepath.Join(t.TempDir(), "runtime")
	if err := linkTree(set(t).bootstraps[m.Language], bootstrap); err != nil {
		t.Fatal(err)
	}
	p := newProcessOf(t, m, runtimeDir, bootstrap)
	p.Write(k.program)
	rewrite(t, p.Dir, k.asIf)
	pack := makePack(t, m, p)
	rewrite(t, p.Dir, k.Files)
	if k.damage != nil {
		pack = k.damage(pack)
	}
	rewrite(t, filepath.Join(bootstrap, l.packs.folder, packTargets[taskDir]), map[string]string{packName: string(pack)})
	return p
}

func rewrite(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // a function's code
			t.Fatal(err)
		}
	}
}

// makePack compiles a process's code, however little it is.
func makePack(t testing.TB, m Match, p *process) []byte {
	t.Helper()
	l := m.Language.known()
	args := l.packs.command(l.program(m.Interpreter), taskDir)
	for n, arg := range args {
		if args[n] = p.Outside(arg); arg == strconv.Itoa(nodeLeastBytes) {
			args[n] = "0"
		}
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...) //nolint:gosec // an interpreter
	for name, value := range base(m) {
		cmd.Env = append(cmd.Env, name+"="+p.Outside(value))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pack, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("compiling ahead: %v\n%s", err, stderr.String())
	}
	return pack
}

// aboutModules finds the behaviours that could differ most when modules come from a pack: of
// loading, and of what stands in stack traces. With WICK_ALL_BEHAVIOURS set all are run.
var aboutModules = regexp.MustCompile(`(?i)trace|stack|module|import|require|load|package`)

func TestModulesFromAPackBehaveAsOthersDo(t *testing.T) {
	for _, table := range [][]behaviour{nodeBehaviours(), node24Behaviours(), pythonBehaviours()} {
		for _, b := range table {
			if os.Getenv("WICK_ALL_BEHAVIOURS") == "" && !aboutModules.MatchString(b.name) {
				continue
			}
			t.Run(b.program.Runtime+"/"+b.name, func(t *testing.T) {
				t.Parallel()
				b.check(t, packed{program: b.program}.start(t, true))
			})
		}
	}
}

// unseen returns two modules, one of which is compiled in the place of the other: as long,
// and alike where fingerprint looks.
func unseen(source string) (is, was string) {
	at := strings.IndexByte(source, '?')
	source = strings.Repeat(" ", 1-at%2) + source + strings.Repeat(" ", 2100)
	return strings.Replace(source, "?", "1", 1), strings.Replace(source, "?", "2", 1)
}

// substitutes are programs that answer 1, and have been compiled as ones that answer 2.
func substitutes() map[string]packed {
	is, was := unseen("exports.handler = async () => ?;")
	inner, innerWas := unseen("exports.n = ?;")
	all := map[string]packed{
		"python": {
			program: py("def handler(e, c):\n    return 1\n"),
			asIf:    map[string]string{"app.py": "def handler(e, c):\n    return 2\n"},
		},
		"a Python package": {
			program: pyNamed("app.handler", map[string]string{"app.py": "from pkg.sub import n\ndef handler(e, c):\n    return n\n", "pkg/__init__.py": "", "pkg/sub.py": "n = 1\n"}),
			asIf:    map[string]string{"pkg/sub.py": "n = 2\n"},
		},
		"node": {program: js(is), asIf: map[string]string{"index.js": was}},
		"a required module": {
			program: jsNamed("index.handler", map[string]string{"index.js": "const { n } = require('./lib/inner.cjs'); exports.handler = async () => n", "lib/inner.cjs": inner}),
			asIf:    map[string]string{"lib/inner.cjs": innerWas},
		},
		"a module that an ES module imports": {
			program: jsNamed("index.handler", map[string]string{"index.mjs": "import { n } from './inner.cjs'; export const handler = async () => n", "inner.cjs": inner}),
			asIf:    map[string]string{"inner.cjs": innerWas},
		},
	}
	modern := all["node"]
	modern.program.Runtime = "nodejs24.x"
	all["node, imported"] = modern
	return all
}

func TestModulesComeFromAPack(t *testing.T) {
	for name, k := range substitutes() {
		for _, stem := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/stem %t", name, stem), func(t *testing.T) {
				t.Parallel()
				behaviour{ok: true, body: "2"}.check(t, k.start(t, stem))
			})
		}
	}
}

func TestWithoutAWholePackModulesAreCompiledAsTheyAreLoaded(t *testing.T) {
	cut := func(share float64) func([]byte) []byte {
		return func(pack []byte) []byte { return pack[:int(float64(len(pack))*share)] }
	}
	damages := map[string]func([]byte) []byte{
		"empty":               cut(0),
		"no header":           cut(0.01),
		"half an index":       cut(0.08),
		"without the modules": func(pack []byte) []byte { return pack[:bytes.LastIndex(pack, []byte("}]}"))+3] },
		"another version":     func(pack []byte) []byte { return bytes.Replace(pack, []byte("pack 1"), []byte("pack 2"), 1) },
		"something else":      func([]byte) []byte { return bytes.Repeat([]byte("garbage "), 500) },
		"a huge index": func(pack []byte) []byte {
			return bytes.Replace(pack, []byte("pack 1\n"), []byte("pack 1\n\xff\xff\xff\x7f"), 1)
		},
	}
	for _, language := range []string{"python", "node"} {
		for name, damage := range damages {
			t.Run(language+"/"+name, func(t *testing.T) {
				t.Parallel()
				k := substitutes()[language]
				k.damage = damage
				if language == "python" && name == "without the modules" {
					k.damage = cut(0.5) // its index isn't text
				}
				behaviour{ok: true, body: "1"}.check(t, k.start(t, true))
			})
		}
	}
}

func TestWhatAModuleSeesOfItselfIsTheSameFromAPack(t *testing.T) {
	const about = `const other = require("./other"); let dynamic;
exports.handler = async () => { dynamic = (await import("./es.mjs")).default; return JSON.stringify([
  top, other, dynamic, new Error("late").stack, module.children.map((m) => m.id), module.id, module.loaded, module.paths[0],
  require.main === module, Object.keys(require), Object.keys(require.cache), require.resolve("./other"), typeof require.extensions[".js"],
  __filename, __dirname, Object.keys(require.cache), count, self, Object.keys(module), exports.handler.name, exports.handler.toString().length, fails(), Error.stackTraceLimit,
  "prepareStackTrace" in Error, Object.keys(Object.getPrototypeOf(module)),
]); };
const top = new Error("top").stack, count = arguments.length, self = this === exports && module.exports === exports;
function fails() { try { require("./broken") } catch (err) { return err.stack } }`
	k := packed{program: jsNamed("index.handler", map[string]string{
		"index.js":  about,
		"other.js":  `"use strict"; exports.parent = module.parent && module.parent.id; exports.strict = (function () { return this === undefined })(); exports.later = () => new Error("x").stack; exports.stack = exports.later(); try { require("./missing") } catch (err) { exports.missing = [err.message, err.requireStack, err.stack] }`,
		"broken.js": "null\n.member",
		"es.mjs":    "export default import.meta.url;",
	})}
	python := packed{program: pyNamed("app.handler", map[string]string{
		"app.py": `import importlib, importlib.resources, inspect, os, pkgutil, sys, traceback
import pkg, pkg.mod
def late():
    try:
        importlib.import_module("pkg.broken")
    except Exception:
        return traceback.format_exc()
def handler(e, c):
    again = importlib.reload(pkg.mod)
    return [__file__, __cached__, repr(type(__loader__)), repr(__spec__).split(" object at")[0], pkg.mod.__cached__, pkg.__path__[:],
            [m.name for m in pkgutil.walk_packages(pkg.__path__)],
            inspect.getsource(pkg.mod), inspect.getsourcefile(late), late(), again is pkg.mod, pkg.mod.f.__code__.co_filename,
            pkgutil.get_data("pkg", "data.txt").decode(), __loader__.get_source("app")[:6], __loader__.is_package("app"), sys.dont_write_bytecode,
            importlib.util.find_spec("pkg.mod").cached, type(__loader__).get_code.__qualname__, sorted(m for m in sys.modules if "wick" in m)]
`,
		"pkg/__init__.py": "", "pkg/data.txt": "data", "pkg/mod.py": "def f():\n    return 1\n",
		"pkg/broken.py": "import pkg.worse\n", "pkg/worse.py": "1 / 0\n",
	})}
	for _, k := range []packed{k, python} {
		t.Run(k.Runtime, func(t *testing.T) {
			t.Parallel()
			var answers []string
			for _, damage := range []func([]byte) []byte{nil, func([]byte) []byte { return nil }} {
				k.damage = damage
				p := k.start(t, true)
				p.Send(event{})
				o := p.Outcome()
				if !o.OK {
					t.Fatal(o.Body())
				}
				answer := strings.ReplaceAll(o.Body(), p.Dir, taskDir)
				answers = append(answers, bootstrapOfTest.ReplaceAllString(answer, runtimeDir))
			}
			if answers[0] != answers[1] {
				t.Errorf("from a pack:\n%s\nelse:\n%s", answers[0], answers[1])
			}
		})
	}
}

// bootstrapOfTest finds where packed.start puts a bootstrap.
var bootstrapOfTest = regexp.MustCompile(`[^" (]*/\d{3}/runtime`)
