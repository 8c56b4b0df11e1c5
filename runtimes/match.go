package runtimes

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/wick-run/wick"
)

// oldest is the oldest minor version (Python) or major version (Node) the bootstraps run on.
var oldest = map[Language]version{Python: {3, 8}, Node: {16}}

// Match returns what runs a runtime here. It is the newest patch of the version the
// runtime names; where that is missing, the version nearest to it, the newer one of two
// equally near (a newer interpreter takes older code more often than the other way
// round). With strict a runtime whose very version is missing is refused.
//
// The error is a *wick.Error: InvalidParameter for a name that isn't a runtime or, with
// strict, not here; NotBuilt for a language Wick doesn't run; InvalidRuntime where the
// machine has no interpreter of the language.
func (s *Set) Match(runtime string, strict bool) (Match, error) {
	want, ok := parseRuntime(runtime)
	if !ok {
		if isKnown, _ := Known(runtime); isKnown {
			return Match{}, wick.Errorf(wick.NotBuilt, "runtime %s is not supported by Wick yet", runtime)
		}
		return Match{}, wick.Errorf(wick.InvalidParameter, "%s is not a runtime", runtime)
	}
	m := Match{Runtime: runtime, Language: want.language}
	if want.language == Provided {
		m.Exact = true
		m.RuntimeVersion = "provided:" + providedSuffix(runtime) + "v1"
		return m, nil
	}
	best, exact, found := nearest(s.interpreters, want)
	if !found {
		return Match{}, wick.Errorf(wick.InvalidRuntime,
			"runtime %s needs %s, and none was found on this machine: install it, or start wick with it on PATH",
			runtime, languageName(want.language))
	}
	if !exact && strict {
		return Match{}, wick.Errorf(wick.InvalidParameter,
			"runtime %s is not on this machine (nearest: %s %s at %s); install it, or serve without --strict-runtimes",
			runtime, languageName(want.language), best.Version, best.Bin)
	}
	m.Interpreter, m.Exact = best, exact
	name := map[Language]string{Node: "nodejs", Python: "python"}[want.language]
	switch {
	case !exact:
		m.RuntimeVersion = fmt.Sprintf("%s:%s (%s not on this machine)", name, best.Version, runtime)
	case want.language == Node:
		m.RuntimeVersion = fmt.Sprintf("nodejs:%d.v1", want.major)
	default:
		m.RuntimeVersion = fmt.Sprintf("python:%d.%d.v1", want.major, want.minor)
	}
	mounts, err := s.mounts(best)
	if err != nil {
		return Match{}, err
	}
	m.Mounts = mounts
	return m, nil
}

func providedSuffix(runtime string) string {
	if suffix := path.Ext(runtime); suffix != "" {
		return suffix[1:] + "."
	}
	return ""
}

func languageName(l Language) string {
	if l == Node {
		return "Node.js"
	}
	return "Python"
}

func nearest(all []Interpreter, want wanted) (best Interpreter, exact, found bool) {
	bestDistance := 0
	var bestVersion version
	for _, in := range all {
		v, ok := parseVersion(in.Version)
		if in.Language != want.language || !ok {
			continue
		}
		distance := v[0] - want.major
		if want.language == Python {
			distance = v[1] - want.minor
		}
		near := abs(distance) < abs(bestDistance)
		newer := abs(distance) == abs(bestDistance) && bestVersion.less(v)
		if !found || near || newer {
			best, bestDistance, bestVersion, found = in, distance, v, true
		}
	}
	return best, found && bestDistance == 0, found
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// mounts returns where an interpreter and its bootstrap come to be inside.
func (s *Set) mounts(in Interpreter) ([]Mount, error) {
	bootstrap := Mount{s.bootstraps[in.Language], runtimeDir}
	switch {
	case in.Language == Node:
		// Only the program: a prefix such as /usr/local holds much that isn't Node's.
		frame, err := s.nodeFrame()
		if err != nil {
			return nil, err
		}
		return []Mount{{frame, langDir}, {in.Bin, langDir + "/bin/node"}, bootstrap}, nil
	case in.Root == "":
		frame, err := s.pythonFrame(in)
		if err != nil {
			return nil, err
		}
		return []Mount{{frame, langDir}, bootstrap}, nil
	}
	// What was installed with pip on this machine would make a function work here that
	// fails on AWS.
	empty, err := s.emptyDir()
	if err != nil {
		return nil, err
	}
	packages := "/lib/" + pythonName(in) + "/site-packages"
	mounts := []Mount{{in.Root, langDir}}
	if isDir(filepath.Join(in.Root, packages)) {
		mounts = append(mounts, Mount{empty, langDir + packages})
	}
	return append(mounts, bootstrap), nil
}

// pythonName is the program's name: python3.12.
func pythonName(in Interpreter) string {
	v, _ := parseVersion(in.Version) // interpreters without a version aren't kept
	return fmt.Sprintf("python%d.%d", v[0], v[1])
}
