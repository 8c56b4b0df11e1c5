package runtimes

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

var python = &language{
	name: Python, title: "Python", prefix: "python",
	identifier: regexp.MustCompile(`^(3)\.(\d{1,3})$`),
	byMinor:    true,
	carriesSDK: true,
	runs:       func(v version) bool { return v[0] == 3 && v[1] >= 8 },

	programs: regexp.MustCompile(`^python3(?:\.\d+)?$`),
	printed:  regexp.MustCompile(`^Python (\d+\.\d+\.\d+)`),
	places: func(f folders) []place {
		const bin = "bin/python3"
		return []place{
			{"pyenv", filepath.Join(f.env("PYENV_ROOT", ".pyenv"), "versions"), bin},
			{"asdf", filepath.Join(f.asdf, "python"), bin},
			{"mise", filepath.Join(f.mise, "python"), bin},
			{"uv", f.env("UV_PYTHON_INSTALL_DIR", ".local", "share", "uv", "python"), bin},
			{"/opt", filepath.Join(f.root, "/opt/python"), bin},
		}
	},

	mounts: pythonMounts,
	program: func(in Interpreter) string {
		return langDir + "/bin/" + pythonName(in)
	},
	command: func(_ Match, program string, _ *wick.Function) []string {
		return []string{program, runtimeDir + "/bootstrap.py"}
	},
	frames: logFrames,

	archive:      pythonArchive,
	archiveSince: version{3, 8},
	archiveIsTar: true,

	environment: func(env map[string]string, _ Match, w wanted) {
		env["PYTHONPATH"] = runtimeDir
		if w.minor >= 12 {
			env["LC_CTYPE"] = "C.UTF-8"
		}
	},
	adapt:          keepLibrary,
	laterVariables: []string{"LC_CTYPE"},
	startVariables: []string{"PYTHON*"},
	packs: &packing{
		folder: "wick_runtime/packs",
		command: func(program, root string) []string {
			return []string{
				program, "-m", "wick_runtime.compile", root,
				strconv.Itoa(packMostBytes), strconv.Itoa(packMostSeconds),
			}
		},
		counts: func(name string, _ int64) bool { return strings.HasSuffix(name, ".py") },
		worth:  8 << 10,
	},
}

func pythonMounts(s *Set, in Interpreter) ([]Mount, error) {
	if in.Root == "" {
		frame, err := s.systemFrame(in, "python", "python3", pythonName(in))
		return []Mount{{frame, langDir}}, err
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
	return mounts, nil
}

// pythonArchive compiles the bootstrap's modules. That the result belongs to its source is
// not looked at again: the two stay together, and as they are.
func pythonArchive(_ Match, program string) []string {
	const compile = `import importlib.util, os, py_compile, sys, tarfile, tempfile
root = sys.argv[1]
modules = os.path.join(root, "wick_runtime")
with tempfile.TemporaryDirectory() as made, tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
    for name in sorted(os.listdir(modules)):
        if name.endswith(".py"):
            source, compiled = os.path.join(modules, name), os.path.join(made, name)
            py_compile.compile(source, compiled, doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            tar.add(compiled, os.path.relpath(importlib.util.cache_from_source(source), root))
`
	return []string{"sh", "-c", `exec "$@"`, "sh", program, "-c", compile, runtimeDir}
}

// pythonName is the program's name: python3.12.
func pythonName(in Interpreter) string {
	v, _ := parseVersion(in.Version) // interpreters without a version aren't kept
	return fmt.Sprintf("python%d.%d", v[0], v[1])
}

// keepLibrary lets a relocated interpreter find its own shared library, which is nowhere
// else, whatever LD_LIBRARY_PATH a function has.
func keepLibrary(env map[string]string, m Match) {
	if m.Interpreter.Root != "" && !hasEntry(env["LD_LIBRARY_PATH"], langDir+"/lib") {
		env["LD_LIBRARY_PATH"] += ":" + langDir + "/lib"
	}
}
