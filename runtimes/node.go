package runtimes

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

//go:generate node/native/build.sh

var node = &language{
	name: Node, title: "Node.js", prefix: "nodejs",
	identifier: regexp.MustCompile(`^(\d{1,3})(?:\..+)?$`),
	runs:       func(v version) bool { return v[0] >= 16 },
	carriesSDK: true,

	programs: regexp.MustCompile(`^(?:node|nodejs)$`),
	printed:  regexp.MustCompile(`^v(\d+\.\d+\.\d+)`),
	places: func(f folders) []place {
		const bin = "bin/node"
		return []place{
			{"nvm", filepath.Join(f.env("NVM_DIR", ".nvm"), "versions", "node"), bin},
			{"fnm", filepath.Join(f.env("FNM_DIR", ".local", "share", "fnm"), "node-versions"), "installation/" + bin},
			{"fnm", filepath.Join(f.data, "fnm", "node-versions"), "installation/" + bin},
			{"volta", filepath.Join(f.env("VOLTA_HOME", ".volta"), "tools", "image", "node"), bin},
			{"asdf", filepath.Join(f.asdf, "nodejs"), bin},
			{"mise", filepath.Join(f.mise, "node"), bin},
			{"nodenv", filepath.Join(f.env("NODENV_ROOT", ".nodenv"), "versions"), bin},
			{"n", filepath.Join(f.n, "n", "versions", "node"), bin},
			{"/opt", filepath.Join(f.root, "/opt"), bin}, // as its makers' archives unpack
		}
	},

	mounts: func(s *Set, in Interpreter) ([]Mount, error) {
		// Only the program: a prefix such as /usr/local holds much that isn't Node's.
		frame, err := s.nodeFrame()
		if err != nil {
			return nil, err
		}
		return []Mount{{frame, langDir}, {in.Bin, nodeProgram}}, nil
	},
	program: func(Interpreter) string { return nodeProgram },
	command: nodeCommand,
	frames:  logFrames,

	environment: func(env map[string]string, _ Match, w wanted) {
		env["NODE_PATH"] = "/opt/nodejs/node" + strconv.Itoa(w.major) +
			"/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
		if w.major <= 18 {
			env["NODE_EXTRA_CA_CERTS"] = runtimeDir + "/ca-cert.pem"
		}
	},
	laterVariables: []string{"NODE_PATH", "NODE_EXTRA_CA_CERTS"},
	// Threads for V8's work in the background: with Node's own thread as many as the CPUs
	// of the largest function a stem can become have use for, not four. Each has a stack, a
	// heap and page tables of its own, 80 kB idle. As a flag it would be in process.execArgv.
	stemVariables: []string{"NODE_OPTIONS=--v8-pool-size=2"},
	startVariables: []string{
		"NODE_OPTIONS", "NODE_ICU_DATA", "NODE_V8_COVERAGE", "NODE_DEBUG*", "NODE_PENDING_DEPRECATION",
		"NODE_NO_WARNINGS", "NODE_REDIRECT_WARNINGS", "NODE_PRESERVE_SYMLINKS*", "NODE_COMPILE_CACHE*",
		"NODE_SKIP_PLATFORM_CHECK", "NODE_USE_*", "NODE_EXTRA_CA_CERTS", "UV_*", "OPENSSL_CONF", "SSL_CERT_*",
	},
	ordinary: func(f *wick.Function) bool { return f.MemoryMB > largestStemMB },
	packs: &packing{
		folder: "wick/packs",
		command: func(program, root string) []string {
			return []string{
				program, runtimeDir + "/wick/compile.mjs", root,
				strconv.Itoa(nodeLeastBytes), strconv.Itoa(packMostBytes), strconv.Itoa(packMostSeconds),
			}
		},
		counts: func(name string, size int64) bool {
			return size >= nodeLeastBytes && (strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".cjs"))
		},
		worth: 128 << 10,
	},
}

// nodeLeastBytes is the size of a module from which on taking its code from a pack is
// faster than compiling it.
const nodeLeastBytes = 8 << 10

const nodeProgram = langDir + "/bin/node"

// largestStemMB is the memory over which a stem's heap limit, set as Node starts, would
// be less than the function may use.
const largestStemMB = 4096

func nodeCommand(m Match, program string, f *wick.Function) []string {
	args := []string{program, "--expose-gc", "--max-http-header-size", "81920"}
	if f == nil {
		// Not what the machine or the instance suggests while no function is known.
		args = append(args, "--max-old-space-size="+strconv.Itoa(largestStemMB))
	} else {
		// As AWS divides an instance's memory: nine tenths for what lives long.
		args = append(args,
			"--max-semi-space-size="+strconv.Itoa(max(f.MemoryMB*5/100, 1)),
			"--max-old-space-size="+strconv.Itoa(f.MemoryMB*90/100))
	}
	args = append(args, moduleFlags(m, f)...)
	return append(args, runtimeDir+"/index.mjs")
}

// moduleFlags turn off what newer Node versions do with module syntax and Lambda's
// don't, unless the function asks for it. Source: AWS, Node.js 22 runtime in Lambda,
// experimental features.
func moduleFlags(m Match, f *wick.Function) []string {
	v, _ := parseVersion(m.Interpreter.Version) // interpreters without a version aren't kept
	options := ""
	if f != nil {
		options = f.Environment["NODE_OPTIONS"]
	}
	var flags []string
	for _, flag := range []struct {
		name  string
		since []version
	}{
		{"experimental-require-module", []version{{20, 17}, {22, 0}}},
		{"experimental-detect-module", []version{{20, 10}, {21, 1}}},
	} {
		has := false
		for _, since := range flag.since {
			has = has || !v.less(since) && (v[0] == since[0] || since == flag.since[1])
		}
		if has && !strings.Contains(options, flag.name) {
			flags = append(flags, "--no-"+flag.name)
		}
	}
	return flags
}
