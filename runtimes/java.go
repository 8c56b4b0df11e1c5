package runtimes

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

//go:generate sh -c "cd java && go run generate.go"
//go:generate java/native/build.sh

var java = &language{
	name: Java, title: "Java", prefix: "java",
	identifier: regexp.MustCompile(`^(\d{1,3})(?:\.al2|\.al2023)?$`),
	// A newer one runs what was compiled for an older, never the other way round.
	onlyNewer: true,
	runs:      func(v version) bool { return v[0] >= 8 },

	programs: regexp.MustCompile(`^java$`),
	places: func(f folders) []place {
		const bin = "bin/java"
		return []place{
			{"sdkman", filepath.Join(f.env("SDKMAN_DIR", ".sdkman"), "candidates", "java"), bin},
			{"asdf", filepath.Join(f.asdf, "java"), bin},
			{"mise", filepath.Join(f.mise, "java"), bin},
			{"jdks", filepath.Join(f.home, ".jdks"), bin}, // IntelliJ's
			{"/usr/lib/jvm", filepath.Join(f.root, "/usr/lib/jvm"), bin},
			{"/opt", filepath.Join(f.root, "/opt"), bin},
			{"/opt", filepath.Join(f.root, "/opt/java"), bin},
		}
	},
	homeVariable: "JAVA_HOME",
	versionOf:    javaVersion,
	root:         javaHome,

	mounts: func(_ *Set, in Interpreter) ([]Mount, error) {
		return []Mount{{in.Root, langDir}}, nil
	},
	program: func(in Interpreter) string {
		return langDir + strings.TrimPrefix(in.Bin, in.Root)
	},
	command: func(m Match, program string, f *wick.Function) []string {
		if f == nil {
			return []string{program} // see stemCommand
		}
		return javaCommand(m, program, f)
	},
	stemCommand: func(m Match, program string, like *wick.Function) []string {
		return append(slices.Insert(javaCommand(m, program, like), 1, "-Duser.dir="+taskDir), "stem")
	},

	environment: func(env map[string]string, _ Match, w wanted) {
		delete(env, "PWD") // no shell starts Java there
		delete(env, "SHLVL")
		if w.major >= 17 {
			env["_LAMBDA_TELEMETRY_LOG_FD"] = "62" // where AWS's image has it; nothing is there
		}
	},
	archive:        javaArchive,
	archiveSince:   version{17},
	archiveOf:      []string{"release", "lib/modules", "lib/server/libjvm.so"},
	laterVariables: []string{"_LAMBDA_TELEMETRY_LOG_FD"},
	// HOME is what Java takes a user's folder from who has none.
	startVariables: []string{"JAVA_*", "JDK_*", "_JAVA_*", "CLASSPATH", "HOME"},
	ordinary:       func(*wick.Function) bool { return !hasJavaNative },
}

// hasJavaNative says whether there is a library for this machine of what a stem does that
// Java has no way to: see java/native.
var hasJavaNative = runtime.GOOS == "linux" && isEmbedded("java/wick-native-"+runtime.GOARCH+".so")

func isEmbedded(name string) bool {
	_, err := fs.Stat(embedded, name)
	return err == nil
}

var javaRelease = regexp.MustCompile(`(?m)^JAVA_VERSION="(?:1\.(8)\.0_(\d+)|(\d+)(?:\.(\d+))?(?:\.(\d+))?)`)

// javaVersion reads a Java home's release file: 17.0.15, or 8.0.402 for 1.8.0_402.
func javaVersion(bin string) string {
	data, err := os.ReadFile(filepath.Join(javaHome(bin), "release"))
	if err != nil {
		return ""
	}
	parts := javaRelease.FindStringSubmatch(string(data))
	if parts == nil {
		return ""
	}
	if parts[1] != "" {
		return "8.0." + parts[2]
	}
	for i := 4; i <= 5; i++ {
		if parts[i] == "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts[3:], ".")
}

// javaHome returns the folder that a java program is of.
func javaHome(bin string) string {
	home := filepath.Dir(filepath.Dir(bin))
	if filepath.Base(home) == "jre" {
		return filepath.Dir(home) // Java 8's
	}
	return home
}

// javaCommand starts a virtual machine as AWS does: a heap of 85 % of the memory, the
// serial collector, and only the first compiler. Source: as AWS's runtimes' command lines
// are; Lambda developer guide, Java runtime startup behaviour.
func javaCommand(m Match, program string, f *wick.Function) []string {
	args := append(javaMachine(program, f.MemoryMB), "-Xshare:auto")
	v, _ := parseVersion(m.Interpreter.Version) // interpreters without a version aren't kept
	options := f.Environment["JAVA_TOOL_OPTIONS"]
	if m.hasArchive() && !strings.Contains(options, "-XX:SharedArchiveFile") && !strings.Contains(options, "-Xshare") {
		// Java 25 would complain in the function's log of an archive that other options of
		// the function's make useless.
		args = append(args, "-XX:SharedArchiveFile="+runtimeDir+"/"+archiveName, "-Xlog:cds=off")
		if v[0] >= 25 {
			args = append(args, "-Xlog:aot=off")
		}
	}
	if v[0] > 8 && (m.Runtime == "java11" || strings.HasPrefix(m.Runtime, "java8")) {
		// Variables that those runtimes change have to be reached.
		args = append(args, "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED")
	}
	if slices.ContainsFunc([]string{"java8", "java11", "java17"}, func(r string) bool { return strings.HasPrefix(m.Runtime, r) }) {
		// Their images have the locale that LANG names; this machine may not, and then Java
		// takes text for ASCII.
		args = append(args, "-Dfile.encoding=UTF-8")
	}
	return append(args, "-jar", javaJar, runtimeDir, "framed")
}

const javaJar = runtimeDir + "/wick-runtime.jar"

func javaMachine(program string, memoryMB int) []string {
	return []string{
		program, "-XX:MaxHeapSize=" + strconv.Itoa(memoryMB*1024*85/100) + "k",
		"-XX:+UseSerialGC", "-XX:+TieredCompilation", "-XX:TieredStopAtLevel=1",
	}
}

// javaArchive has a virtual machine rehearse, and write down and archive the classes it
// has loaded by that.
func javaArchive(_ Match, program string) []string {
	const script = `set -e
"$@" -XX:DumpLoadedClassList=/tmp/classes -jar ` + javaJar + ` ` + runtimeDir + ` rehearse >&2
"$@" -Xshare:dump -XX:SharedClassListFile=/tmp/classes -XX:SharedArchiveFile=/tmp/archive -cp ` + javaJar + ` >&2
exec cat /tmp/archive`
	return append([]string{"sh", "-c", script, "sh"}, javaMachine(program, 256)...)
}
