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

// StemAtOnce is KEY=VALUE for a stem that somebody may be waiting for: it leaves out what
// only saves memory while it waits.
const StemAtOnce = "WICK_STEM_AT_ONCE=1"

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

// Stem returns how to start a language's bootstrap with no function yet, for one like
// this: see StemKey. The process wants a connected stream socket as descriptor 3 and asks
// it GET /wick/assign.
//
// Not for provided, which has no bootstrap of Wick's.
func (s *Set) Stem(m Match, like *wick.Function) Command {
	c := interpreterCommand(m, nil)
	if l := m.Language.known(); l.stemCommand != nil {
		c.Args = l.stemCommand(m, c.Path, like)
	}
	env := base(m)
	env["WICK_STEM"] = strconv.Itoa(StemFD)
	// What isn't of the language but of one of its runtimes comes with the assignment.
	for _, name := range append([]string{"AWS_EXECUTION_ENV", "PWD"}, m.Language.known().laterVariables...) {
		delete(env, name)
	}
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	c.Env = append(c.Env, m.Language.known().stemVariables...)
	sort.Strings(c.Env)
	c.Dir = "/"
	return c
}

// StemKey is equal for functions, and what runs them, that the same stem can become.
func (s *Set) StemKey(m Match, f *wick.Function) string {
	key := m.StemKey()
	m.Mounts = nil // with an archive or without: it is booted
	if l := m.Language.known(); l.stemCommand != nil && !s.NeedsOrdinary(m, f) {
		key += " " + strings.Join(l.stemCommand(m, "", f), " ")
	}
	return key
}

// Ordinary returns how to start f's runtime with its environment from the beginning. For
// a provided runtime Path is empty, it is what FindBootstrap returns, but for go1.x.
func (s *Set) Ordinary(m Match, f *wick.Function) Command {
	if m.Runtime == goOneRuntime {
		program := goOneProgram(f.Handler)
		return Command{Path: program, Args: []string{program}, Dir: taskDir}
	}
	if m.Language == Provided {
		return Command{Dir: taskDir}
	}
	c := interpreterCommand(m, f)
	if frames := m.Language.known().frames; frames != "" {
		c.Env = []string{frames}
	}
	c.Dir = taskDir
	if wrapper := f.Environment[wrapperVariable]; wrapper != "" && !m.Language.known().wraps {
		c.Args = append([]string{"sh", "-c", wrapperScript, "sh", wrapper}, c.Args...)
		c.Path = "/bin/sh"
	}
	return c
}

// interpreterCommand is the command line of a bootstrap; f is nil for a stem.
func interpreterCommand(m Match, f *wick.Function) Command {
	l := m.Language.known()
	args := l.command(m, l.program(m.Interpreter), f)
	return Command{Path: args[0], Args: args}
}

// startVariablesOfAll are the settings that the dynamic linker and the C library read
// only as a program starts.
var startVariablesOfAll = []string{"LD_*", "MALLOC_*", "GLIBC_TUNABLES", "LANG", "LC_*", "LANGUAGE", wrapperVariable}

// readLater are exceptions: read when used, set by the bootstrap, or of no effect here.
var readLater = map[string]bool{"PYTHONPATH": true, "PYTHONUNBUFFERED": true, "PYTHONSTARTUP": true}

// NeedsOrdinary says whether f has a setting that works only on a program's start, so
// that no stem can become it.
func (s *Set) NeedsOrdinary(m Match, f *wick.Function) bool {
	l := m.Language.known()
	if l.ordinary != nil && l.ordinary(f) {
		return true
	}
	for name := range f.Environment {
		if !readLater[name] && (matches(startVariablesOfAll, name) || matches(l.startVariables, name)) {
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
