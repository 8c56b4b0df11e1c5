package runtimes

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/runner"
)

// BenchmarkPacks is what a stem's becoming a function costs in CPU, to its first poll, with
// its modules from a pack and without, by turns. Its metrics are the CPU of each in
// milliseconds and the first as a share of the second. The libraries are those that
// scripts/install-tools clients brings for the journeys.
func BenchmarkPacks(b *testing.B) {
	small := js("exports.handler = async (e) => e;\n" + strings.Repeat("exports.f = function (a) { return a + 1 };\n", 200))
	for name, prog := range map[string]program{
		"a bundled client of the AWS SDK for JavaScript": bundledClient(b),
		"boto3":               boto3Package(b),
		"a small Node module": small,
	} {
		b.Run(name, func(b *testing.B) {
			m := match(b, prog.Runtime)
			without := func([]byte) []byte { return nil }
			var with, plain float64
			for range b.N {
				with += cpuOfBecoming(b, m, packed{program: prog})
				plain += cpuOfBecoming(b, m, packed{program: prog, damage: without})
			}
			b.ReportMetric(with/float64(b.N), "ms/packed")
			b.ReportMetric(plain/float64(b.N), "ms/plain")
			b.ReportMetric(with/plain, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpuOfBecoming returns milliseconds.
func cpuOfBecoming(b *testing.B, m Match, k packed) float64 {
	b.Helper()
	p := k.process(b, m)
	conn := bootStem(b, p, m, k.program)
	before := ranFor(b, p)
	assign(p, conn, m, k.program)
	runner.Receive(p, p.Polls, "a poll")
	after := ranFor(b, p)
	p.Stop()
	return after - before
}

// ranFor is for how long a process's threads have run, in milliseconds.
func ranFor(b *testing.B, p *process) float64 {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.Cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		b.Skip("the system doesn't say how long a thread has run")
	}
	var sum float64
	for _, task := range tasks {
		text, err := os.ReadFile(task) //nolint:gosec // of /proc
		if err != nil {
			continue // it has ended
		}
		ran, err := strconv.ParseFloat(string(bytes.Fields(text)[0]), 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += ran / 1e6
	}
	return sum
}

// installed returns a folder of those that scripts/install-tools brings.
func installed(b *testing.B, pattern string) string {
	b.Helper()
	found, err := filepath.Glob(filepath.Join("..", ".cache", pattern))
	if err != nil || len(found) != 1 {
		b.Skipf("no .cache/%s: run scripts/install-tools clients", pattern)
	}
	dir, err := filepath.Abs(found[0])
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

func bundledClient(b *testing.B) program {
	b.Helper()
	modules := installed(b, "node/node_modules")
	var stderr bytes.Buffer
	cmd := exec.CommandContext(b.Context(), match(b, "nodejs20.x").Interpreter.Bin, "testdata/node/bundle.cjs", filepath.Dir(modules), "@aws-sdk/client-lambda") //nolint:gosec // an interpreter
	cmd.Stderr = &stderr
	bundle, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, stderr.String())
	}
	prog := js(string(bundle))
	prog.Links = map[string]string{"node_modules": modules}
	return prog
}

func boto3Package(b *testing.B) program {
	b.Helper()
	library := os.DirFS(installed(b, "python/lib/python3*/site-packages"))
	files := map[string]string{"app.py": "import boto3\nsession = boto3.session.Session()\ndef handler(e, c):\n    return 1\n"}
	for _, name := range []string{"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"} {
		err := fs.WalkDir(library, name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".py") {
				return err
			}
			text, err := fs.ReadFile(library, path)
			files[path] = string(text)
			// Python can keep nothing it compiles, as in /var/task.
			files[filepath.Join(filepath.Dir(path), "__pycache__")] = ""
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return pyNamed("app.handler", files)
}
