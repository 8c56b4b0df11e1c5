package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkJavaColdStart is from the start (of a stem: from its assignment) to the answer of
// the first event, in each way there is, and the bare start of a virtual machine that says
// hello. cpu-ms is of the process's whole life, a stem's boot included: on a machine with
// others it says more than the time.
func BenchmarkJavaColdStart(b *testing.B) {
	for _, runtime := range []string{"java17", "java25"} {
		prog := jv(b, runtime, "fn.Objects$Echo")
		prog.MemoryMB = 512
		plain := match(b, runtime)
		b.Run(runtime+"/bare", func(b *testing.B) {
			dir := b.TempDir()
			if out, err := exec.Command("javac", "--release", "17", "-d", dir, "../bench/testdata/Hello.java").CombinedOutput(); err != nil {
				b.Fatalf("javac: %v\n%s", err, out)
			}
			var cpu time.Duration
			for range b.N {
				cmd := exec.Command(plain.Interpreter.Bin, "-cp", dir, "Hello")
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				cpu += cpuOf(cmd)
			}
			reportCPU(b, cpu)
		})
		for _, kind := range []struct {
			name string
			m    Match
		}{{"", plain}, {" with an archive", archived(b, plain)}} {
			b.Run(runtime+"/ordinary"+kind.name, func(b *testing.B) {
				var cpu time.Duration
				for range b.N {
					p := startOrdinary(b, kind.m, prog)
					p.Invoke(event{Payload: `{"a":1}`})
					b.StopTimer()
					p.Stop()
					cpu += cpuOf(p.Cmd)
					b.StartTimer()
				}
				reportCPU(b, cpu)
			})
			b.Run(runtime+"/stem"+kind.name, func(b *testing.B) {
				var cpu time.Duration
				for range b.N {
					b.StopTimer()
					p, c := startStem(b, kind.m, prog)
					b.StartTimer()
					assign(p, c, kind.m, prog)
					p.Invoke(event{Payload: `{"a":1}`})
					b.StopTimer()
					b.ReportMetric(float64(privateMB(b, p)), "private-MB")
					p.Stop()
					cpu += cpuOf(p.Cmd)
					b.StartTimer()
				}
				reportCPU(b, cpu)
			})
		}
	}
}

// archived returns a match with an archive made for it, here without a sandbox.
func archived(b testing.TB, plain Match) Match {
	b.Helper()
	walled, err := Discover(b.Context(), Options{Dir: b.TempDir(), Getenv: getenv, Walls: true})
	if err != nil {
		b.Fatal(err)
	}
	p := newProcess(b, plain)
	err = walled.Prepare(plain, func(c Command, out *os.File) error {
		cmd := &exec.Cmd{Path: c.Path, Env: c.Env, Dir: c.Dir, Stdout: out}
		for _, a := range c.Args {
			cmd.Args = append(cmd.Args, p.Outside(a))
		}
		return cmd.Run()
	})
	if err != nil {
		b.Fatal(err)
	}
	m, err := walled.Match(plain.Runtime, false)
	if err != nil {
		b.Fatal(err)
	}
	if !m.hasArchive() {
		b.Fatal("no archive was made")
	}
	return m
}

// cpuOf is what a process that has ended used.
func cpuOf(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func reportCPU(b *testing.B, all time.Duration) {
	b.ReportMetric(float64(all.Microseconds())/1000/float64(b.N), "cpu-ms")
}

// privateMB is what of a process's memory no other shares.
func privateMB(b *testing.B, p *process) int {
	b.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Cmd.Process.Pid), "smaps_rollup"))
	if err != nil {
		b.Skipf("no smaps_rollup here: %v", err)
	}
	return kilobytes(string(status), "Private_Dirty:") / 1024
}

// kilobytes is the value of a line of a file of /proc, 0 where there is none.
func kilobytes(text, name string) int {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.Atoi(fields[1]) // the kernel's own numbers
			return n
		}
	}
	return 0
}
