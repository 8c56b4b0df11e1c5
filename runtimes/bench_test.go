package runtimes

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/wick-run/wick/internal/testkit/official"
	"github.com/wick-run/wick/internal/testkit/runner"
)

var benchmarked = []program{
	{Runtime: "nodejs20.x", Handler: "index.handler", Files: map[string]string{"index.js": `exports.handler = async (e) => e`}},
	{Runtime: "python3.12", Handler: "app.handler", Files: map[string]string{"app.py": "def handler(e, c):\n    return e\n"}},
	{Runtime: "ruby3.3", Handler: "app.handler", Files: map[string]string{"app.rb": "def handler(event:, context:)\n  event\nend\n"}},
}

// BenchmarkStemBoot is from start to the question which function to be.
func BenchmarkStemBoot(b *testing.B) {
	for _, prog := range benchmarked {
		b.Run(prog.Runtime, func(b *testing.B) {
			m := match(b, prog.Runtime)
			for range b.N {
				p, _ := startStem(b, m, prog)
				b.StopTimer()
				p.Stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkAssign is from a stem's assignment to its first poll: a cold start's share.
func BenchmarkAssign(b *testing.B) {
	for _, prog := range benchmarked {
		b.Run(prog.Runtime, func(b *testing.B) {
			m := match(b, prog.Runtime)
			for range b.N {
				b.StopTimer()
				p, c := startStem(b, m, prog)
				b.StartTimer()
				assign(p, c, m, prog)
				runner.Receive(p, p.Polls, "a poll")
				b.StopTimer()
				p.Stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWarm is a warm round trip between the API and the runtime, ours and, where it
// is installed (official.sh), AWS's client; MB is the memory that is resident after it.
func BenchmarkWarm(b *testing.B) {
	for _, prog := range append(benchmarked, jv(b, "java17", "fn.Objects$Echo"), cs(b, "Methods::Echo")) {
		ways := map[string]func() *process{
			"stem":     func() *process { return runProgram(b, prog, true) },
			"ordinary": func() *process { return runProgram(b, prog, false) },
		}
		if prog.Runtime == "java17" {
			delete(ways, "stem") // they are of a memory size
		}
		if dir := os.Getenv(official.Variable); dir != "" && prog.Runtime != "dotnet8" { // AWS's is on NuGet only
			ways["official"] = func() *process { return startOfficial(b, dir, prog) }
		}
		for name, start := range ways {
			b.Run(prog.Runtime+"/"+name, func(b *testing.B) {
				p := start()
				p.Invoke(event{})
				b.ResetTimer()
				for range b.N {
					p.Invoke(event{Payload: `{"a":1}`})
				}
				b.StopTimer()
				b.ReportMetric(residentMB(), "MB")
				p.Stop()
			})
		}
	}
}

// residentMB is the resident memory of this process's one child.
func residentMB() float64 {
	status, err := os.ReadFile("/proc/" + children() + "/status")
	if err != nil {
		return 0 // another system
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return kb / 1024
}
