//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wick-run/wick/sandbox"
	"github.com/wick-run/wick/sandbox/linux"
)

// boxResults is what the role "sandbox" prints.
type boxResults struct {
	Took, Freeze, Thaw sample
	Seconds            float64
	Bare               sample
	BareSeconds        float64
}

// sandboxes measures package sandbox/linux itself, in a process of its own.
func sandboxes(ctx context.Context, b *bench) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	count := b.times(400, 50)
	cmd := exec.CommandContext(ctx, self, filepath.Join(b.dir, "boxes"), strconv.Itoa(count)) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), roleVariable+"=sandbox")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var r boxResults
	if err := json.Unmarshal(out, &r); err != nil {
		return err
	}
	how := fmt.Sprintf("%d sandboxes of sandbox/linux, 512 MB of /tmp and a network each, run `/bin/true` and are closed; %d at a time, network and disks made and cleaned included, in 4 rounds by turns with bare starts",
		len(r.Took), boxesAtATime())
	rate := float64(len(r.Took)) / r.Seconds
	b.add(times("sandbox starts, start to exit, nothing booted ahead", r.Took, how).over(rate, 200, "%.0f/s"),
		row{what: "bare starts of `/bin/true` in the same way", median: ms(r.Bare.median()), p99: ms(r.Bare.quantile(0.99)), figure: fmt.Sprintf("%.0f/s", float64(len(r.Bare))/r.BareSeconds), how: how},
		times("thawing a frozen sandbox", r.Thaw, "one that computes, frozen and thawed by turns").under(float64(r.Thaw.median())/float64(time.Millisecond), 1, "%.3f ms"),
		times("freezing it", r.Freeze, "the same; it is behind the answer"))
	return nil
}

// boxesAtATime is how many sandboxes are started at the same time, as the fleet does.
func boxesAtATime() int { return max(4, 2*runtime.NumCPU()) }

// sandboxRole measures, and prints what came of it; its arguments are a folder and how
// many sandboxes to start.
func sandboxRole(arguments []string) (err error) {
	if err := linux.EnterPrivateMounts(); err != nil {
		return err
	}
	count, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	driver, err := linux.New(linux.Options{ID: "bench" + strconv.Itoa(os.Getpid()), Dir: arguments[0], Egress: true, Ahead: 8})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, driver.Close()) }()
	var r boxResults
	ids := &atomic.Int64{}
	time.Sleep(time.Second) // what is made ahead is there, as in a server that has just started
	for range 4 {
		took, seconds, err := repeat(count/4, func() error { return oneBox(driver, ids.Add(1)) })
		if err != nil {
			return err
		}
		r.Took, r.Seconds = append(r.Took, took...), r.Seconds+seconds
		took, seconds, err = repeat(count/4, func() error { return exec.CommandContext(context.Background(), "/bin/true").Run() })
		if err != nil {
			return err
		}
		r.Bare, r.BareSeconds = append(r.Bare, took...), r.BareSeconds+seconds
	}
	if err := iceTimes(driver, &r); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	return errors.Join(json.NewEncoder(out).Encode(r), out.Flush())
}

// repeat does something count times, a few at a time.
func repeat(count int, do func() error) (sample, float64, error) {
	var group sync.WaitGroup
	var all samples
	var left atomic.Int64
	left.Store(int64(count))
	errs := make([]error, boxesAtATime())
	began := time.Now()
	for n := range errs {
		group.Go(func() {
			for errs[n] == nil && left.Add(-1) >= 0 {
				from := time.Now()
				errs[n] = do()
				all.add(time.Since(from))
			}
		})
	}
	group.Wait()
	return all.all, time.Since(began).Seconds(), errors.Join(errs...)
}

func boxSpec(id int64) sandbox.Spec {
	return sandbox.Spec{
		ID: "box" + strconv.FormatInt(id, 10), Hostname: "box", Slots: []string{"/var/task", "/opt"}, TmpMB: 512,
		Limits: sandbox.Limits{MemoryBytes: 512 << 20, CPUMilli: 2000, Processes: 1024}, Egress: true,
	}
}

func oneBox(driver sandbox.Driver, id int64) (err error) {
	box, err := driver.Create(context.Background(), boxSpec(id))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	p, err := box.Start(sandbox.Command{Path: "/bin/true", Args: []string{"true"}})
	if err != nil {
		return err
	}
	<-p.Done()
	if p.Exit().Code != 0 {
		return fmt.Errorf("/bin/true exited with %d", p.Exit().Code)
	}
	return nil
}

// iceTimes freezes and thaws a sandbox that computes.
func iceTimes(driver sandbox.Driver, r *boxResults) (err error) {
	box, err := driver.Create(context.Background(), boxSpec(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	if _, err := box.Start(sandbox.Command{Path: "/bin/sh", Args: []string{"sh", "-c", "while :; do :; done"}}); err != nil {
		return err
	}
	for range 200 {
		began := time.Now()
		if err := box.Freeze(); err != nil {
			return err
		}
		r.Freeze = append(r.Freeze, time.Since(began))
		time.Sleep(2 * time.Millisecond)
		began = time.Now()
		if err := box.Thaw(); err != nil {
			return err
		}
		r.Thaw = append(r.Thaw, time.Since(began))
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}
