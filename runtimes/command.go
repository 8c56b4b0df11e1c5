package runtimes

import (
	"sort"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

// Command is a program to start in an instance. Paths are inside.
type Command struct {
	Path string
	Args []string // argv, with argv[0]
	// Env is KEY=VALUE. For a stem it is the whole environment; for an ordinary start
	// what comes on top of Environment and the instance's own variables.
	Env []string
	Dir string
}

// StemFD is the descriptor a stem finds its connected socket at.
const StemFD = 3

// wrapperVariable names a program that is started with the runtime's command line as
// its arguments. Source: Lambda developer guide, wrapper scripts.
const wrapperVariable = "AWS_LAMBDA_EXEC_WRAPPER"

// wrapperScript is what AWS's own runtimes do with a wrapper, to its messages and
// statuses.
const wrapperScript = `if [ ! -f "$1" ]; then echo "$1: does not exist"; exit 127; fi
if [ ! -x "$1" ]; then echo "$1: is not an executable"; exit 126; fi
exec "$@"`

// Stem returns how to start a language's bootstrap with no function yet. The process
// wants a connected stream socket as descriptor 3 and asks it GET /wick/assign.
//
// Not for provided, which has no bootstrap of Wick's.
func (s *Set) Stem(m Match) Command {
	c := interpreterCommand(m, nil)
	env := base(m)
	env["WICK_STEM"] = strconv.Itoa(StemFD)
	// What isn't of the language but of one of its runtimes comes with the assignment.
	for _, name := range []string{"AWS_EXECUTION_ENV", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "LC_CTYPE", "PWD"} {
		delete(env, name)
	}
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	sort.Strings(c.Env)
	c.Dir = "/"
	return c
}

// Ordinary returns how to start f's runtime with its environment from the beginning. For
// a provided runtime Path is empty: it is what FindBootstrap returns.
func (s *Set) Ordinary(m Match, f *wick.Function) Command {
	if m.Language == Provided {
		return Command{Dir: taskDir}
	}
	c := interpreterCommand(m, f)
	c.Env = []string{"WICK_LOG_FRAMES=1"}
	c.Dir = taskDir
	if wrapper := f.Environment[wrapperVariable]; wrapper != "" {
		c.Args = append([]string{"sh", "-c", wrapperScript, "sh", wrapper}, c.Args...)
		c.Path = "/bin/sh"
	}
	return c
}

// interpreterCommand is the command line of a bootstrap; f is nil for a stem.
func interpreterCommand(m Match, f *wick.Function) Command {
	if m.Language == Python {
		program := langDir + "/bin/" + pythonName(m.Interpreter)
		return Command{Path: program, Args: []string{program, runtimeDir + "/bootstrap.py"}}
	}
	program := langDir + "/bin/node"
	args := []string{program, "--expose-gc", "--max-http-header-size", "81920"}
	if f == nil {
		// Not what the machine or the instance suggests while no function is known.
		args = append(args, "--max-old-space-size="+strconv.Itoa(largestStemMB))
	} else {
		// As AWS divides an instance's memory: nine tenths for what lives long.
		args = append(args,
			"--max-semi-space-size="+strconv.Itoa(max(f.MemoryMB*5/100, 1)),
			"--max-old-space-size="+strconv.Itoa(f.MemoryMB*90/100))
	}
	args = append(args, moduleFlags(m, f)...)
	return Command{Path: program, Args: append(args, runtimeDir+"/index.mjs")}
}

// moduleFlags turn off what newer Node versions do with module syntax and Lambda's
// don't, unless the function asks for it. Source: AWS, Node.js 22 runtime in Lambda,
// experimental features.
func moduleFlags(m Match, f *wick.Function) []string {
	v, _ := parseVersion(m.Interpreter.Version) // interpreters without a version aren't kept
	options := ""
	if f != nil {
		options = f.Environment["NODE_OPTIONS"]
	}
	var flags []string
	for _, flag := range []struct {
		name  string
		since []version
	}{
		{"experimental-require-module", []version{{20, 17}, {22, 0}}},
		{"experimental-detect-module", []version{{20, 10}, {21, 1}}},
	} {
		has := false
		for _, since := range flag.since {
			has = has || !v.less(since) && (v[0] == since[0] || since == flag.since[1])
		}
		if has && !strings.Contains(options, flag.name) {
			flags = append(flags, "--no-"+flag.name)
		}
	}
	return flags
}

// largestStemMB is the memory over which a stem's heap limit, set as Node starts, would
// be less than the function may use.
const largestStemMB = 4096

// startVariables are settings that programs read only as they start, per language; a
// name that ends in * is a prefix. Those in all are the dynamic linker's and the C
// library's.
var startVariables = map[Language][]string{
	Node: {
		"NODE_OPTIONS", "NODE_ICU_DATA", "NODE_V8_COVERAGE", "NODE_DEBUG*", "NODE_PENDING_DEPRECATION",
		"NODE_NO_WARNINGS", "NODE_REDIRECT_WARNINGS", "NODE_PRESERVE_SYMLINKS*", "NODE_COMPILE_CACHE*",
		"NODE_SKIP_PLATFORM_CHECK", "NODE_USE_*", "NODE_EXTRA_CA_CERTS", "UV_*", "OPENSSL_CONF", "SSL_CERT_*",
	},
	Python: {"PYTHON*"},
}

var startVariablesOfAll = []string{"LD_*", "MALLOC_*", "GLIBC_TUNABLES", "LANG", "LC_*", "LANGUAGE", wrapperVariable}

// readLater are exceptions: read when used, set by the bootstrap, or of no effect here.
var readLater = map[string]bool{"PYTHONPATH": true, "PYTHONUNBUFFERED": true, "PYTHONSTARTUP": true}

// NeedsOrdinary says whether f has a setting that works only on a program's start, so
// that no stem can become it.
func (s *Set) NeedsOrdinary(m Match, f *wick.Function) bool {
	if m.Language == Provided || m.Language == Node && f.MemoryMB > largestStemMB {
		return true
	}
	for name := range f.Environment {
		if !readLater[name] && (matches(startVariablesOfAll, name) || matches(startVariables[m.Language], name)) {
			return true
		}
	}
	return false
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(name, prefix) || p == name {
			return true
		}
	}
	return false
}
