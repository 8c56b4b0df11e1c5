package differential

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick/internal/testkit/official"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// BenchmarkBesideAWSsClients has a warm function answer under Wick's bootstrap and under AWS's
// client, by turns and on the same Runtime API, and reports the medians, their ratio (below 1
// Wick is faster) and what each process has of memory then. Go's and Rust's functions bring
// AWS's client with them on both sides: there is nothing to compare.
func BenchmarkBesideAWSsClients(b *testing.B) {
	dir := os.Getenv(official.Variable)
	if dir == "" {
		b.Skipf("AWS's runtime clients are missing: run make differential, or runtimes/official.sh DIR and set %s=DIR", official.Variable)
	}
	cases := readCases(b)
	echo := cases[slices.IndexFunc(cases, func(c testCase) bool { return c.name == "answer-echo" })]
	for _, col := range columns {
		if col.sameClient {
			continue
		}
		b.Run(col.name, func(b *testing.B) {
			m := col.match(b)
			if _, err := col.client(dir); errors.Is(err, official.ErrMissing) {
				b.Skip(err)
			}
			prog := col.functions(b, cases)[echo.name]
			sides := []*side{{name: "wick", process: col.start(b, m, prog)}, {name: "aws", process: col.startOfficial(b, dir, m, prog)}}
			for range warmUp {
				for _, s := range sides {
					s.invoke()
				}
			}
			for _, s := range sides {
				s.times = s.times[:0]
			}
			b.ResetTimer()
			for i := range b.N {
				sides[i%2].invoke() // who comes first changes, too
				sides[1-i%2].invoke()
			}
			b.StopTimer()
			for _, s := range sides {
				memory := s.memory(b)
				b.ReportMetric(float64(s.median().Nanoseconds())/1000, s.name+"-p50-µs")
				for _, kind := range []string{"rss", "pss", "private"} {
					b.ReportMetric(float64(memory[kind])/1024, s.name+"-"+kind+"-MiB")
				}
				s.process.Stop()
			}
			b.ReportMetric(float64(sides[0].median())/float64(sides[1].median()), "p50-ratio")
			b.ReportMetric(0, "ns/op") // of a pair: no use
		})
	}
}

// warmUp is how many events come before those that count: Java compiles what it runs often.
const warmUp = 300

type side struct {
	name    string
	process *runner.Process
	times   []time.Duration
}

// invoke waits for the poll first, so that the time is from the event to its answer.
func (s *side) invoke() {
	s.process.Polled()
	began := time.Now()
	s.process.Invoke(runner.Event{Payload: `{"key1":"value1","key2":"value2","key3":"value3"}`})
	s.times = append(s.times, time.Since(began))
}

func (s *side) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s.times))
	return sorted[len(sorted)/2]
}

// memory reads what the process has, in KiB: rss, pss (what is shared counts by its part) and
// private.
func (s *side) memory(b *testing.B) map[string]int {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.process.Cmd.Process.Pid))
	if err != nil {
		b.Skipf("this system doesn't tell a process's memory: %v", err)
	}
	memory := map[string]int{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, err := strconv.Atoi(fields[1])
		if err != nil {
			continue // the line of the addresses
		}
		switch name := fields[0]; {
		case name == "Rss:" || name == "Pss:":
			memory[strings.ToLower(strings.TrimSuffix(name, ":"))] = kib
		case strings.HasPrefix(name, "Private_"):
			memory["private"] += kib
		}
	}
	return memory
}
