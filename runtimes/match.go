package runtimes

import (
	"fmt"
	"path"
	"strings"

	"github.com/wick-run/wick"
)

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
	l := want.language.known()
	best, exact, found := nearest(s.interpreters, want)
	if !found {
		needs := l.title
		if l.onlyNewer {
			needs = fmt.Sprintf("%s %d or newer", l.title, want.major)
		}
		return Match{}, wick.Errorf(wick.InvalidRuntime,
			"runtime %s needs %s, and none was found on this machine: install it, or start wick with it on PATH",
			runtime, needs)
	}
	if !exact && strict {
		return Match{}, wick.Errorf(wick.InvalidParameter,
			"runtime %s is not on this machine (nearest: %s %s at %s); install it, or serve without --strict-runtimes",
			runtime, l.title, best.Version, best.Bin)
	}
	m.Interpreter, m.Exact = best, exact
	switch {
	case !exact:
		m.RuntimeVersion = fmt.Sprintf("%s:%s (%s not on this machine)", l.prefix, best.Version, runtime)
	case l.byMinor:
		m.RuntimeVersion = fmt.Sprintf("%s:%d.%d.v1", l.prefix, want.major, want.minor)
	default:
		m.RuntimeVersion = fmt.Sprintf("%s:%s.v1", l.prefix, strings.TrimSuffix(runtime[len(l.prefix):], ".x"))
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

func nearest(all []Interpreter, want wanted) (best Interpreter, exact, found bool) {
	l := want.language.known()
	bestDistance := 0
	var bestVersion version
	for _, in := range all {
		v, ok := parseVersion(in.Version)
		if in.Language != want.language || !ok {
			continue
		}
		distance := v[0] - want.major
		if l.byMinor {
			// No language had a hundred minor versions of one major version.
			distance = 100*distance + v[1] - want.minor
		}
		if l.onlyNewer && distance < 0 {
			continue
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
	mounts, err := in.Language.known().mounts(s, in)
	if err != nil {
		return nil, err
	}
	return append(mounts, Mount{s.bootstraps[in.Language], runtimeDir}), nil
}
