package runtimes

import (
	"fmt"
	"path"
	"strings"

	"github.com/wick-run/wick"
)

// Match returns what runs a runtime here, ready to be started. It is what wick runtimes
// add has named; else the newest patch of the version the runtime names; where that is
// missing, the version nearest to it, the newer one of two equally near (a newer
// interpreter takes older code more often than the other way round). With strict a
// runtime whose very version is missing is refused.
//
// The error is a *wick.Error: InvalidParameter for a name that isn't a runtime or, with
// strict, not here; NotBuilt for a language Wick doesn't run; InvalidRuntime where the
// machine has nothing that runs it. It says what to do.
func (s *Set) Match(runtime string, strict bool) (Match, error) {
	m, sdk, err := s.find(runtime, strict)
	if err != nil || m.Language == Provided {
		return m, err
	}
	m.Mounts, err = s.mounts(m.Interpreter, sdk)
	if err != nil {
		return Match{}, err
	}
	return m, nil
}

// Look is Match without anything made ready: it has no Mounts.
func (s *Set) Look(runtime string) (Match, error) {
	m, _, err := s.find(runtime, false)
	return m, err
}

func (s *Set) find(runtime string, strict bool) (Match, *Installed, error) {
	want, ok := parseRuntime(runtime)
	if !ok {
		if isKnown, _ := Known(runtime); isKnown {
			return Match{}, nil, wick.Errorf(wick.NotBuilt, "runtime %s is not supported by Wick", runtime)
		}
		return Match{}, nil, wick.Errorf(wick.InvalidParameter, "%s is not a runtime", runtime)
	}
	m := Match{Runtime: runtime, Language: want.language}
	if want.language == Provided {
		m.Exact = true
		m.RuntimeVersion = "provided:" + providedSuffix(runtime) + "v1"
		if runtime == goOneRuntime {
			m.RuntimeVersion = "go:1.v1"
		}
		return m, nil, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := want.language.known()
	best, exact, found := nearest(s.interpreters, want)
	if in, ok := s.added[runtime]; ok {
		v, _ := parseVersion(in.Version) // interpreters without a version aren't kept
		best, exact, found = in, l.distance(want, v) == 0, true
	}
	if !found {
		needs := l.title
		if l.onlyNewer {
			needs = fmt.Sprintf("%s %d or newer", l.title, want.major)
		}
		return Match{}, nil, wick.Errorf(wick.InvalidRuntime,
			"runtime %s needs %s, and none was found on this machine: run `wick runtimes install %s`, which gets it or says how",
			runtime, needs, runtime)
	}
	if !exact && strict {
		return Match{}, nil, wick.Errorf(wick.InvalidParameter,
			"runtime %s is not on this machine (nearest: %s %s at %s); run `wick runtimes install %s`, or serve without --strict-runtimes",
			runtime, l.title, best.Version, best.Bin, runtime)
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
	sdk := s.sdks[sdkKey(best.Language, best.SDKVersion())]
	if sdk != nil {
		m.SDK, m.SDKVersion = sdk.Name, sdk.Version
	}
	return m, sdk, nil
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
		if in.Language != want.language || !ok || !l.takes(want, v) {
			continue
		}
		distance := l.distance(want, v)
		near := abs(distance) < abs(bestDistance)
		newer := abs(distance) == abs(bestDistance) && bestVersion.less(v)
		if !found || near || newer {
			best, bestDistance, bestVersion, found = in, distance, v, true
		}
	}
	return best, found && bestDistance == 0, found
}

// nearestOf returns the version to run a runtime with; of several that can't, the first.
func (l *language) nearestOf(want wanted, versions []string) string {
	var all []Interpreter
	for _, v := range versions {
		all = append(all, Interpreter{Language: want.language, Version: v})
	}
	if best, _, found := nearest(all, want); found || len(versions) == 0 {
		return best.Version
	}
	return versions[0]
}

// distance is how much newer than a runtime a version is, in the versions that the
// language's identifiers count.
func (l *language) distance(want wanted, v version) int {
	if l.byMinor {
		// No language had a hundred minor versions of one major version.
		return 100*(v[0]-want.major) + v[1] - want.minor
	}
	return v[0] - want.major
}

// takes says whether a version can stand in for a runtime's.
func (l *language) takes(want wanted, v version) bool {
	return !l.onlyNewer || l.distance(want, v) >= 0
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// mounts returns where an interpreter and its bootstrap come to be inside.
func (s *Set) mounts(in Interpreter, sdk *Installed) ([]Mount, error) {
	mounts, err := in.Language.known().mounts(s, in)
	if err != nil {
		return nil, err
	}
	folder, err := s.runtimeFolder(in, sdk)
	if err != nil {
		return nil, err
	}
	return append(mounts, Mount{folder, runtimeDir}), nil
}
