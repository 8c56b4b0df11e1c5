package sandboxtest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/wick-run/wick/sandbox"
)

func killAll(r *room) {
	sb := r.create()
	a, b := r.serve(sb), r.serve(sb)
	a.must("write", sb.Path("/tmp/kept"), "still here")
	a.must("spawn", "4")
	b.must("spawn", "1") // which goes on when b is gone
	if err := b.Signal(syscall.SIGKILL); err != nil {
		r.Fatal(err)
	}
	r.exit(b)
	if err := sb.KillAll(); err != nil {
		r.Fatal(err)
	}
	select {
	case <-a.Done():
	default:
		r.Error("KillAll returned and a process runs")
	}
	if exit := a.Exit(); exit.Signal != syscall.SIGKILL || exit.Code != -1 {
		r.Errorf("%+v", exit)
	}
	if got := r.say(sb, "read", sb.Path("/tmp/kept")); got != "still here" {
		r.Errorf("/tmp has %q", got)
	}
}

func killFrozen(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("spawn", "2")
	if err := sb.Freeze(); err != nil {
		r.Fatal(err)
	}
	if err := sb.KillAll(); err != nil {
		r.Fatal(err)
	}
	r.exit(s)
	r.serve(sb).must("pwd")
}

func killNothing(r *room) {
	sb := r.create()
	for range 2 {
		if err := sb.KillAll(); err != nil {
			r.Error(err)
		}
	}
	r.say(sb, "user")
}

// stands is how long a frozen process is given to answer all the same.
const stands = 50 * time.Millisecond

func freeze(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("pwd")
	for range 2 {
		for range 2 {
			if err := sb.Freeze(); err != nil {
				r.Fatal(err)
			}
		}
		s.tell("user")
		if got, err := s.reply(stands); !errors.Is(err, os.ErrDeadlineExceeded) {
			r.Errorf("frozen, it answers %q, %v", got, err)
		}
		if _, err := sb.Usage(); err != nil {
			r.Errorf("usage while frozen: %v", err)
		}
		for range 2 {
			if err := sb.Thaw(); err != nil {
				r.Fatal(err)
			}
		}
		if _, err := s.reply(patience); err != nil {
			r.Errorf("thawed, it answers %v", err)
		}
	}
}

// measure reads the usage.
func (r *room) measure(sb sandbox.Sandbox) sandbox.Usage {
	r.Helper()
	u, err := sb.Usage()
	if err != nil {
		r.Fatal(err)
	}
	return u
}

func usage(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("pwd")
	before := r.measure(sb)
	if before.Processes < 1 {
		r.Errorf("one runs: %+v", before)
	}
	s.must("alloc", "64")
	s.must("burn", "60")
	s.must("fill", sb.Path("/tmp/file"), "10")
	s.must("spawn", "2")
	after := r.measure(sb)
	if peak, err := sb.PeakMemory(); err != nil || peak < before.MemoryBytes+60<<20 {
		r.Errorf("the peak is %d, %v; before it was %d", peak, err, before.MemoryBytes)
	}
	for _, grown := range []struct {
		what                string
		before, after, more int64
	}{
		{"memory", before.MemoryBytes, after.MemoryBytes, 60 << 20},
		{"CPU", int64(before.CPU), int64(after.CPU), int64(40 * time.Millisecond)},
		{"/tmp", before.TmpBytes, after.TmpBytes, 10 << 20},
		{"processes", int64(before.Processes), int64(after.Processes), 2},
	} {
		if grown.after-grown.before < grown.more {
			r.Errorf("%s was %d and is %d", grown.what, grown.before, grown.after)
		}
	}
	if after.PeakMemoryBytes < after.MemoryBytes {
		r.Errorf("the peak is below what is used: %+v", after)
	}
	if after.OOMKills != 0 {
		r.Errorf("%+v", after)
	}
}

func resetPeak(r *room) {
	sb := r.create()
	s := r.serve(sb)
	s.must("alloc", "100")
	peak := r.measure(sb).PeakMemoryBytes
	s.must("free")
	if now := r.measure(sb); now.PeakMemoryBytes < peak {
		r.Errorf("the peak was %d and is %+v", peak, now)
	}
	if err := sb.ResetPeak(); err != nil {
		r.Fatal(err)
	}
	if now := r.measure(sb).PeakMemoryBytes; now > peak-80<<20 {
		r.Errorf("the peak was %d and is, begun anew, %d", peak, now)
	}
}

func weigh(r *room) {
	sb := r.create()
	s := r.serve(sb)
	for _, weight := range []int{sandbox.UsualWeight / 2, sandbox.MinWeight, sandbox.UsualWeight} {
		if err := sb.Weigh(weight); err != nil {
			r.Errorf("%d: %v", weight, err)
		}
	}
	s.must("pwd")
}

func limit(r *room) {
	sb := r.create()
	s := r.serve(sb)
	for _, l := range []sandbox.Limits{
		{MemoryBytes: 1 << 30, CPUMilli: 2000, Processes: 512},
		{MemoryBytes: 256 << 20, CPUMilli: 72, Processes: 64},
		{},
		{MemoryBytes: 512 << 20, CPUMilli: 30},
	} {
		if err := sb.Limit(l); err != nil {
			r.Errorf("%+v: %v", l, err)
		}
	}
	s.must("pwd")
}

func closeTwice(r *room) {
	sb, err := r.driver.Create(r.Context(), r.spec())
	if err != nil {
		r.Fatal(err)
	}
	s := r.serve(sb)
	s.must("spawn", "2")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := sb.Close(); err != nil {
				r.Error(err)
			}
		})
	}
	both.Wait()
	select {
	case <-s.Done():
	default:
		r.Error("Close returned and a process runs")
	}
	if _, err := s.reply(patience); !errors.Is(err, io.EOF) {
		r.Errorf("someone has its output open: %v", err)
	}
}

func closed(r *room) {
	sb := r.create()
	if err := sb.Close(); err != nil {
		r.Fatal(err)
	}
	_, start := sb.Start(command(sb, "exit", "0"))
	_, usage := sb.Usage()
	for what, err := range map[string]error{
		"start": start, "usage": usage,
		"freeze": sb.Freeze(), "limit": sb.Limit(sandbox.Limits{}),
		"attach": sb.Attach(sandbox.Mount{Source: r.TempDir(), Target: "/opt"}),
	} {
		if err == nil {
			r.Errorf("%s works", what)
		}
	}
}

func parallel(r *room) {
	var all sync.WaitGroup
	for range 20 {
		spec := r.spec()
		all.Go(func() {
			sb, err := r.driver.Create(r.Context(), spec)
			if err != nil {
				r.Error(err)
				return
			}
			p, err := sb.Start(command(sb, "exit", "3"))
			if err != nil {
				r.Error(err)
			} else if <-p.Done(); p.Exit().Code != 3 {
				r.Errorf("%+v", p.Exit())
			}
			if err := sb.Close(); err != nil {
				r.Error(err)
			}
		})
	}
	all.Wait()
}

func ownTmp(r *room) {
	a, b := r.create(), r.create()
	if names := r.say(a, "list", a.Path("/tmp")); names != "" {
		r.Errorf("at first it has %q", names)
	}
	r.say(a, "write", a.Path("/tmp/secret"), "a's")
	if names := r.say(b, "list", b.Path("/tmp")); names != "" {
		r.Errorf("the other one's has %q", names)
	}
	if got := r.say(a, "read", a.Path("/tmp/secret")); got != "a's" {
		r.Errorf("%q", got)
	}
}

func sameID(r *room) {
	spec := r.spec()
	sb := r.createAs(spec)
	if _, err := r.driver.Create(r.Context(), spec); err == nil {
		r.Error("there are two")
	}
	r.say(sb, "user") // the first is as it was
}

func badMount(r *room) {
	spec := r.spec()
	spec.Mounts = append(spec.Mounts, sandbox.Mount{Source: filepath.Join(r.TempDir(), "missing"), Target: "/var/other"})
	if _, err := r.driver.Create(r.Context(), spec); err == nil {
		r.Error("it was made")
	}
	// Nothing of it is in the way.
	spec.Mounts = spec.Mounts[:1]
	r.say(r.createAs(spec), "user")
}
