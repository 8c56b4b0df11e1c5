package runtimes

import (
	"os"
	"testing"
)

var benchmarked = []program{
	{runtime: "nodejs20.x", handler: "index.handler", files: map[string]string{"index.js": `exports.handler = async (e) => e`}},
	{runtime: "python3.12", handler: "app.handler", files: map[string]string{"app.py": "def handler(e, c):\n    return e\n"}},
	{runtime: "ruby3.3", handler: "app.handler", files: map[string]string{"app.rb": "def handler(event:, context:)\n  event\nend\n"}},
}

// BenchmarkStemBoot is from start to the question which function to be.
func BenchmarkStemBoot(b *testing.B) {
	for _, prog := range benchmarked {
		b.Run(prog.runtime, func(b *testing.B) {
			m := match(b, prog.runtime)
			for range b.N {
				p, _ := startStem(b, m)
				b.StopTimer()
				p.stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkAssign is from a stem's assignment to its first poll: a cold start's share.
func BenchmarkAssign(b *testing.B) {
	for _, prog := range benchmarked {
		b.Run(prog.runtime, func(b *testing.B) {
			m := match(b, prog.runtime)
			for range b.N {
				b.StopTimer()
				p, c := startStem(b, m)
				b.StartTimer()
				p.assign(c, m, prog)
				receive(p, p.polls, "a poll")
				b.StopTimer()
				p.stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWarm is a warm round trip between the API and the runtime, ours and, where it
// is installed (official.sh), AWS's client.
func BenchmarkWarm(b *testing.B) {
	for _, prog := range append(benchmarked, jv(b, "java17", "fn.Objects$Echo")) {
		ways := map[string]func() *process{
			"stem":     func() *process { return runProgram(b, prog, true) },
			"ordinary": func() *process { return runProgram(b, prog, false) },
		}
		if prog.runtime == "java17" {
			delete(ways, "stem") // Java has none
		}
		if dir := os.Getenv(officialVariable); dir != "" {
			ways["official"] = func() *process { return startOfficial(b, dir, prog) }
		}
		for name, start := range ways {
			b.Run(prog.runtime+"/"+name, func(b *testing.B) {
				p := start()
				p.invoke(event{})
				b.ResetTimer()
				for range b.N {
					p.invoke(event{payload: `{"a":1}`})
				}
				b.StopTimer()
				p.stop()
			})
		}
	}
}
