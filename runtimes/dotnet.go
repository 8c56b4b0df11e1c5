package runtimes

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/wick-run/wick"
)

//go:generate sh -c "cd dotnet && go run generate.go"

// dotnet runs C#, F# and what else is compiled to assemblies; PowerShell's functions come
// packaged as such.
var dotnet = &language{
	name: Dotnet, title: ".NET", prefix: "dotnet",
	identifier: regexp.MustCompile(`^(?:core)?(\d{1,3})(?:\.\d)?$`),
	// A newer one runs what was compiled for an older, never the other way round.
	onlyNewer: true,
	runs:      func(v version) bool { return v[0] >= 3 },

	programs: regexp.MustCompile(`^dotnet$`),
	places: func(f folders) []place {
		return []place{
			// Source: .NET install locations; its own programs look in this order.
			{source: "DOTNET_ROOT", bin: filepath.Join(f.env("DOTNET_ROOT", ".dotnet"), "dotnet")},
			{source: "~/.dotnet", bin: filepath.Join(f.home, ".dotnet", "dotnet")},
			{"asdf", filepath.Join(f.asdf, "dotnet-core"), "dotnet"},
			{"asdf", filepath.Join(f.asdf, "dotnet"), "dotnet"},
			{"mise", filepath.Join(f.mise, "dotnet"), "dotnet"},
			{source: "mise", bin: filepath.Join(f.env("MISE_DATA_DIR", ".local", "share", "mise"), "dotnet-root", "dotnet")},
			{source: "/usr/share/dotnet", bin: filepath.Join(f.root, "/usr/share/dotnet/dotnet")},
			{source: "/usr/lib/dotnet", bin: filepath.Join(f.root, "/usr/lib/dotnet/dotnet")},
			{source: "/usr/lib64/dotnet", bin: filepath.Join(f.root, "/usr/lib64/dotnet/dotnet")},
		}
	},
	versionsOf: dotnetVersions,
	root:       filepath.Dir,

	mounts: func(_ *Set, in Interpreter) ([]Mount, error) {
		return []Mount{{in.Root, dotnetDir}}, nil
	},
	program: func(Interpreter) string { return dotnetDir + "/dotnet" },
	command: func(m Match, program string, f *wick.Function) []string {
		if f == nil {
			return []string{program} // see stemCommand
		}
		return dotnetCommand(m, program)
	},
	stemCommand: func(m Match, program string, _ *wick.Function) []string {
		settings := "stem"
		if invariant(m) {
			settings = "stem-invariant"
		}
		args := []string{
			program, "exec", "--fx-version", m.Interpreter.Version, "--runtimeconfig", runtimeDir + "/" + settings + ".runtimeconfig.json",
			runtimeDir + "/wick-runtime.dll", "stem",
		}
		// What .NET has to be started with turns a stem into an ordinary start.
		return append(args, dotnetCommand(m, program)...)
	},
	// The bootstrap's script does, with .NET's command line as AWS's wrappers see it.
	wraps: true,

	environment: func(env map[string]string, m Match, _ wanted) {
		env["DOTNET_ROOT"] = dotnetDir
		env["LAMBDA_RUNTIME_NAME"] = m.Runtime
		env["_LAMBDA_TELEMETRY_LOG_FD"] = "62" // where AWS's image has it; nothing is there
	},
	laterVariables: []string{"LAMBDA_RUNTIME_NAME"},
	startVariables: []string{"DOTNET_*", "COMPlus_*", "CORECLR_*", "LAMBDA_DOTNET_MAIN_ASSEMBLY"},
	// An executable is a program of its own.
	ordinary: func(f *wick.Function) bool { return !strings.Contains(f.Handler, ":") },
}

// dotnetDir is where AWS has .NET inside.
const dotnetDir = langDir + "/bin"

// dotnetVersions returns the versions of .NET that a dotnet program finds beside itself,
// newest first.
func dotnetVersions(bin string) []string {
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(bin), "shared", "Microsoft.NETCore.App"))
	if err != nil {
		return nil // it is only the program
	}
	var versions []string
	for _, e := range entries {
		if _, ok := parseVersion(e.Name()); ok && e.IsDir() { // previews aren't looked for
			versions = append(versions, e.Name())
		}
	}
	sort.Slice(versions, func(i, j int) bool {
		a, _ := parseVersion(versions[i])
		b, _ := parseVersion(versions[j])
		return b.less(a)
	})
	return versions
}

// dotnetCommand starts the bootstrap's script with settings of .NET, unless the function has
// its own. Which version of .NET runs is what the package's runtimeconfig.json says; where
// that is none of this machine's, the next major one may.
func dotnetCommand(m Match, program string) []string {
	// Counting calls, to compile for what is called most, costs more than most functions
	// live to get back.
	args := []string{"/bin/sh", runtimeDir + "/bootstrap", program, "DOTNET_TieredPGO=0"}
	if invariant(m) {
		args = append(args, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1")
	}
	if !m.Exact {
		args = append(args, "--roll-forward", "Major")
	}
	return args
}

// invariant says that .NET has to do without the library that knows languages and regions:
// it ends at once where that isn't, unlike in AWS's image, or is too new for it.
func invariant(m Match) bool {
	v, _ := parseVersion(m.Interpreter.Version) // interpreters without a version aren't kept
	return v[0] < 5 || !hasICU()
}

// hasICU says whether the machine has that library.
func hasICU() bool {
	for _, dir := range []string{"/usr/lib/*", "/usr/lib", "/usr/lib64", "/lib/*", "/lib64"} {
		if found, _ := filepath.Glob(dir + "/libicuuc.so.*"); len(found) > 0 { // the pattern is well-formed
			return true
		}
	}
	return false
}
