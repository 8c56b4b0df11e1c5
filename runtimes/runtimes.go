package runtimes

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Interpreter is one installed interpreter.
type Interpreter struct {
	Language Language `json:"language"`
	Version  string   `json:"version"` // e.g. 3.12.1
	// Root is the folder that goes to /var/lang as a whole; empty when the interpreter
	// is the system's and works from where it is.
	Root   string `json:"root,omitempty"`
	Bin    string `json:"bin"`    // the program, symbolic links resolved
	Source string `json:"source"` // what installed it or where it was found: pyenv, nvm, PATH, …
}

// Mount puts a folder or file of the host at a path inside, read-only.
type Mount struct{ Source, Target string }

// Match is what runs a runtime on this machine.
type Match struct {
	Runtime     string // as configured, e.g. python3.12
	Language    Language
	Exact       bool // the interpreter is of the version the runtime names
	Interpreter Interpreter
	// RuntimeVersion is for INIT_START: "python:3.12.v1" in AWS's form, or what really
	// runs it, "python:3.11.7 (python3.12 not on this machine)".
	RuntimeVersion string
	// SDK names the SDK in /var/runtime, "" where none is installed for the interpreter.
	SDK        string
	SDKVersion string // e.g. boto3's
	// Mounts are what a sandbox needs beside its usual folders, outer paths first.
	Mounts []Mount
}

// StemKey says what an instance of this is made with: language, interpreter and SDK. Which
// functions can share a stem is Set.StemKey's.
func (m Match) StemKey() string {
	return string(m.Language) + " " + m.Interpreter.Bin + " " + m.Interpreter.Version + " " + m.SDK
}

// Where things are inside. Source: Lambda runtime environment variables; as recorded.
const (
	langDir    = "/var/lang"
	runtimeDir = "/var/runtime"
	taskDir    = "/var/task"
	optDir     = "/opt"
)

// runtimes maps every runtime identifier AWS has or had to whether functions can no longer
// be created with it. Source: the API model's Runtime enumeration; which are refused, as
// recorded (TestRuntimeValidation).
var runtimes = map[string]bool{
	"nodejs": true, "nodejs4.3": true, "nodejs4.3-edge": true, "nodejs6.10": true, "nodejs8.10": true,
	"nodejs10.x": true, "nodejs12.x": true, "nodejs14.x": true,
	"nodejs16.x": false, "nodejs18.x": false, "nodejs20.x": false, "nodejs22.x": false, "nodejs24.x": false,
	"nodejs26.x": false,
	"python2.7":  true, "python3.6": true, "python3.7": true,
	"python3.8": false, "python3.9": false, "python3.10": false, "python3.11": false,
	"python3.12": false, "python3.13": false, "python3.14": false, "python3.15": false,
	"java8": true, "java8.al2": false, "java11": false, "java17": false, "java21": false, "java25": false,
	"java8.al2023": false, "java11.al2023": false, "java17.al2023": false,
	"dotnetcore1.0": true, "dotnetcore2.0": true, "dotnetcore2.1": true, "dotnetcore3.1": true,
	"dotnet6": false, "dotnet8": false, "dotnet10": false,
	"ruby2.5": true, "ruby2.7": true, "ruby3.2": false, "ruby3.3": false, "ruby3.4": false, "ruby4.0": false,
	"go1.x": true, "provided": true, "provided.al2": false, "provided.al2023": false,
}

// Known says whether AWS has or had a runtime of this name, and whether it is one that
// functions can no longer be created with.
func Known(runtime string) (known, deprecated bool) {
	deprecated, known = runtimes[runtime]
	return known, deprecated
}

// Identifiers returns every runtime identifier AWS has or had, in no order.
func Identifiers() []string { return slices.Collect(maps.Keys(runtimes)) }

// version is a dotted version as numbers.
type version [3]int

func parseVersion(s string) (v version, ok bool) {
	parts := strings.SplitN(s, ".", 3)
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return version{}, false
		}
		v[i] = n
	}
	return v, len(parts) >= 2
}

func (v version) less(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}
