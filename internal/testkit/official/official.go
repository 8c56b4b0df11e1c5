// Package official starts AWS's own runtime clients, which runtimes/official.sh installs, in
// the place of Wick's bootstraps. The tests that compare the two call it; none of the
// clients' code is here.
package official

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/wick-run/wick/internal/testkit/runner"
)

// Variable names a folder with the clients, as official.sh makes it: python/3.12 and
// python/3.8 (virtual environments with awslambdaric), node/index.mjs (aws-lambda-ric 3)
// and node24/index.mjs (aws-lambda-ric 4), each with its rapid-client.node;
// ruby/gems/aws_lambda_ric-VERSION, and java with the jars of
// aws-lambda-java-runtime-interface-client.
const Variable = "WICK_OFFICIAL_CLIENTS"

// ErrMissing is that a client isn't in the folder.
var ErrMissing = errors.New("AWS's client is missing: runtimes/official.sh installs it")

// Command is how a client runs a program with an interpreter of this machine; environment
// and folder are the caller's to set. scratch is a folder for a file it may need.
func Command(dir, interpreter string, prog runner.Program, scratch string) (*exec.Cmd, error) {
	switch language(prog.Runtime) {
	case "python":
		client := filepath.Join(dir, "python", pythonVersion(prog.Runtime), "bin", "python3")
		if _, err := os.Stat(client); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		return command(client, "-m", "awslambdaric", prog.Handler), nil
	case "ruby":
		lib, err := rubyClient(dir)
		if err != nil {
			return nil, err
		}
		return command(interpreter, "-I", filepath.Join(lib, "lib"), "-r", "aws_lambda_ric", "-e", "AwsLambdaRIC::Bootstrap.new.start"), nil
	case "java":
		jars := filepath.Join(dir, "java")
		if _, err := os.Stat(jars); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		heap := prog.Function().MemoryMB * 1024 * 85 / 100
		return command(interpreter, "-XX:MaxHeapSize="+strconv.Itoa(heap)+"k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"--add-opens=java.base/java.io=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED", // for its frames and its native part
			"-cp", jars+"/*", "com.amazonaws.services.lambda.runtime.api.client.AWSLambda", prog.Handler), nil
	default:
		return nodeCommand(dir, interpreter, prog, scratch)
	}
}

// command is for the caller to end: it knows the process.
func command(path string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: path, Args: append([]string{path}, args...)}
}

func nodeCommand(dir, interpreter string, prog runner.Program, scratch string) (*exec.Cmd, error) {
	args := []string{"--expose-gc", "--no-experimental-require-module", "--no-experimental-detect-module"}
	client := filepath.Join(dir, nodeClient(prog.Runtime), "index.mjs")
	if _, err := os.Stat(client); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if nodeClient(prog.Runtime) == "node24" {
		return command(interpreter, append(args, client)...), nil
	}
	quoted, _ := json.Marshal(client) // a string always has a JSON form
	starter := filepath.Join(scratch, "index.mjs")
	source := "import {run} from " + string(quoted) + "; await run(process.cwd(), process.env._HANDLER);\n"
	if err := os.WriteFile(starter, []byte(source), 0o600); err != nil {
		return nil, err
	}
	return command(interpreter, append(args, starter)...), nil
}

// Environment makes an instance's environment what the client has of it. The log's descriptor
// is the process's third, too: a client closes the one for its records as it ends.
func Environment(env map[string]string, runtime string) {
	env["_LAMBDA_TELEMETRY_LOG_FD"] = "3"
	if language(runtime) == "python" {
		delete(env, "PYTHONPATH")
	}
}

var versions = map[string]*regexp.Regexp{
	"python": regexp.MustCompile(`(?m)^Version: (\S+)`),
	"node":   regexp.MustCompile(`"version": "([^"]+)"`),
}

// Version names the client of a runtime that is in the folder: "awslambdaric 3.1.1".
func Version(dir, runtime string) (string, error) {
	switch language(runtime) {
	case "python":
		return versionIn("awslambdaric", versions["python"], filepath.Join(dir, "python", pythonVersion(runtime), "lib", "python*", "site-packages", "awslambdaric-*", "METADATA"))
	case "ruby":
		lib, err := rubyClient(dir)
		return strings.Replace(filepath.Base(lib), "-", " ", 1), err
	case "java":
		const name = "aws-lambda-java-runtime-interface-client"
		found, err := filepath.Glob(filepath.Join(dir, "java", name+"-*.jar"))
		if err != nil || len(found) != 1 {
			return "", fmt.Errorf("%w: %v", ErrMissing, found)
		}
		return name + " " + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), name+"-"), ".jar"), nil
	default:
		from := filepath.Join(dir, "build", "node_modules", "aws-lambda-ric", "package.json")
		if nodeClient(runtime) == "node24" {
			from = filepath.Join(dir, "build", "package", "package.json")
		}
		return versionIn("aws-lambda-ric", versions["node"], from)
	}
}

func versionIn(name string, pattern *regexp.Regexp, glob string) (string, error) {
	found, err := filepath.Glob(glob)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%w: %s is %v", ErrMissing, glob, found)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	version := pattern.FindSubmatch(data)
	if version == nil {
		return "", fmt.Errorf("no version in %s", found[0])
	}
	return name + " " + string(version[1]), nil
}

func rubyClient(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "ruby", "gems", "aws_lambda_ric-*"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%w: no Ruby client in %s: %v", ErrMissing, dir, found)
	}
	return found[0], nil
}

// language is the first word of a runtime identifier.
func language(runtime string) string {
	return runtime[:strings.IndexAny(runtime+"0", "0123456789")]
}

// pythonVersion is the interpreter whose client runs a runtime.
func pythonVersion(runtime string) string {
	if runtime == "python3.8" {
		return "3.8"
	}
	return "3.12"
}

// nodeClient is the folder of the client that AWS has in a runtime.
func nodeClient(runtime string) string {
	if runtime == "nodejs24.x" {
		return "node24"
	}
	return "node"
}
