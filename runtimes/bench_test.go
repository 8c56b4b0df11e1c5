package runtimes

import (
	"testing"
)

var benchmarked = []program{
	{runtime: "nodejs20.x", handler: "index.handler", files: map[string]string{"index.js": `exports.handler = async (e) => e`}},
	{runtime: "python3.12", handler: "app.handler", files: map[string]string{"app.py": "def handler(e, c):\n    return e\n"}},
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

// BenchmarkWarm is a warm round trip between the API and the runtime.
func BenchmarkWarm(b *testing.B) {
	for _, prog := range benchmarked {
		for name, stem := range map[string]bool{"stem": true, "ordinary": false} {
			b.Run(prog.runtime+"/"+name, func(b *testing.B) {
				p := runProgram(b, prog, stem)
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
