package runtimes

import (
	"regexp"
	"strconv"

	"github.com/wick-run/wick"
)

// Language is what runs a function's code.
type Language string

// The languages Wick runs.
const (
	Node     Language = "node"
	Python   Language = "python"
	Ruby     Language = "ruby"
	Java     Language = "java"
	Dotnet   Language = "dotnet"
	Provided Language = "provided" // the function brings its own bootstrap
)

// language is all this package knows of one: each has a file of its own. Hooks that are
// nil don't apply to it; only provided has neither interpreter nor bootstrap.
type language struct {
	name   Language
	title  string // as people say it
	prefix string // of its runtime identifiers

	// identifier matches what follows prefix in an identifier; its groups are the major
	// and, where byMinor, the minor version.
	identifier *regexp.Regexp
	// byMinor says that identifiers name a minor version too, which is what nearness is
	// counted in.
	byMinor bool
	// onlyNewer refuses interpreters older than the identifier's version.
	onlyNewer bool
	// carriesSDK says that AWS's images of the language have its SDK in /var/runtime.
	carriesSDK bool
	// runs says whether the bootstrap runs on a version.
	runs func(version) bool

	// programs are the names to look for on PATH, printed what one prints of its version.
	programs *regexp.Regexp
	printed  *regexp.Regexp
	places   func(folders) []place
	// homeVariable names a folder whose bin is looked at first.
	homeVariable string
	// versionOf reads a program's version from what lies around it, "" where it can't.
	versionOf func(bin string) string
	// versionsOf is versionOf for a program that starts several.
	versionsOf func(bin string) []string
	// root returns the folder that goes to /var/lang; nil: the one above the program's,
	// none for a program of the system.
	root func(bin string) string

	// mounts returns what an interpreter needs inside beside the bootstrap.
	mounts func(s *Set, in Interpreter) ([]Mount, error)
	// program is where the interpreter is inside, command how it starts the bootstrap: f
	// is nil for a stem.
	program func(in Interpreter) string
	command func(m Match, program string, f *wick.Function) []string
	// stemCommand starts a stem where that takes something of the function it will become:
	// only functions for which it is the same can share stems.
	stemCommand func(m Match, program string, like *wick.Function) []string
	// archive is the command line that prints an archive (see there) for interpreters from a
	// version on, and archiveOf files below their root that it is void without.
	archive      func(m Match, program string) []string
	archiveSince version
	archiveOf    []string
	// packs is how packages are compiled ahead (see packs.go), nil where they aren't.
	packs *packing
	// archiveIsTar says that what is printed is a tar of files that belong beside the
	// bootstrap's.
	archiveIsTar bool
	// frames asks an ordinary start for framed log records; where it is empty, the command
	// line does.
	frames string
	// wraps says that the bootstrap itself starts a function's wrapper.
	wraps bool

	// environment adds the language's variables to what every runtime has.
	environment func(env map[string]string, m Match, w wanted)
	// adapt changes the finished environment to what this interpreter needs.
	adapt func(env map[string]string, m Match)
	// laterVariables are those that a stem gets with its function only.
	laterVariables []string
	// stemVariables, KEY=VALUE, are those that only a stem has, until it is assigned.
	stemVariables []string
	// startVariables are settings that programs of the language read only as they start;
	// a name that ends in * is a prefix.
	startVariables []string
	// ordinary says whether a function can't come from a stem whatever its variables.
	ordinary func(f *wick.Function) bool
}

// logFrames is how bootstraps that can change their variables are asked for frames.
const logFrames = "WICK_LOG_FRAMES=1"

// languages are all there are, in the order they are looked for.
var languages = []*language{node, python, ruby, java, dotnet, provided, goOne}

// known returns a language's description, that of provided for one that isn't known.
func (l Language) known() *language {
	for _, known := range languages {
		if known.name == l {
			return known
		}
	}
	return provided
}

// Title is a language's name as people say it.
func (l Language) Title() string { return l.known().title }

// Wanted is what a runtime identifier asks for. Where identifiers name a major version
// only, Minor is -1.
type Wanted struct {
	Language     Language
	Major, Minor int
}

// ParseRuntime takes a runtime identifier apart; ok is false for one that AWS never had,
// and for a language not run here.
func ParseRuntime(runtime string) (w Wanted, ok bool) {
	if known, _ := Known(runtime); !known {
		return Wanted{}, false
	}
	want, ok := parseRuntime(runtime)
	return Wanted{want.language, want.major, want.minor}, ok
}

// wanted is a runtime identifier taken apart. Where identifiers name a major version
// only, minor is -1.
type wanted struct {
	language     Language
	major, minor int
}

// parseRuntime returns what a runtime asks for; ok is false for a language not run here.
func parseRuntime(runtime string) (w wanted, ok bool) {
	for _, l := range languages {
		if len(runtime) < len(l.prefix) || runtime[:len(l.prefix)] != l.prefix {
			continue
		}
		parts := l.identifier.FindStringSubmatch(runtime[len(l.prefix):])
		if parts == nil {
			return wanted{}, false
		}
		w = wanted{language: l.name, minor: -1}
		if len(parts) > 1 {
			w.major, _ = strconv.Atoi(parts[1]) // few digits: identifier says so
		}
		if l.byMinor {
			w.minor, _ = strconv.Atoi(parts[2]) // likewise
		}
		return w, true
	}
	return wanted{}, false
}
