package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/wick-run/wick/internal/fdtable"
)

// fairness measures a function at its own pace, alone and beside another one's burst.
func fairness(ctx context.Context, b *bench) (err error) {
	var ends closers
	defer ends.close(&err)
	w, err := b.startWorking(ctx, &ends, []string{"fair-a", "fair-b"}, "--memory", "4GiB", "--concurrency", "20000")
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"ms": %d}`, fairWork)
	closed, err := closedLoop(ctx, w.URL+path("fair-b"), body, 4, 5*time.Second)
	if err != nil {
		return err
	}
	capacity := float64(len(closed)) / 5
	share := capacity / 2
	a := func(length time.Duration) (sample, error) {
		l, err := openLoop(ctx, w.URL+path("fair-a"), body, share/4, length)
		if err == nil && l.throttled > 0 {
			err = fmt.Errorf("%d events of the function at its own pace got a 429", l.throttled)
		}
		return l.took, err
	}
	// How long a first event takes is another scenario's.
	if _, err := a(2 * time.Second); err != nil {
		return err
	}
	length := time.Duration(b.times(15, 5)) * time.Second
	var alone, beside sample
	var burst floodResult
	rounds := b.times(3, 1)
	for range rounds {
		pause(ctx, 2*time.Second)
		took, err := a(length)
		if err != nil {
			return err
		}
		alone = append(alone, took...)
		var group sync.WaitGroup
		var one floodResult
		var failed error
		group.Go(func() { one, failed = b.flood(ctx, w.URL+path("fair-b"), body, 10*share, length) })
		took, err = a(length)
		group.Wait()
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		beside = append(beside, took...)
		burst = burst.and(one)
	}
	how := fmt.Sprintf("Python, %d ms of CPU an event, capacity %.0f/s; A at %.0f/s, B at %.0f/s (10 × half of the capacity; %d of %d answered, in time %d) from a process of its own, %d rounds of %v each, with and without B by turns",
		fairWork, capacity, share/4, 10*share, burst.Answered, burst.Sent, burst.InTime, rounds, length)
	ratio := float64(beside.quantile(0.99)) / float64(alone.quantile(0.99))
	b.add(times("function A while B bursts: p99 ÷ without B", beside, how).under(ratio, 2, "%.2f"), times("function A alone", alone, how))
	return nil
}

// floodResult is what came of a flood.
type floodResult struct{ Sent, Answered, InTime int }

func (r floodResult) and(o floodResult) floodResult {
	return floodResult{r.Sent + o.Sent, r.Answered + o.Answered, r.InTime + o.InTime}
}

// flood has a process of its own send so many events a second: the client that measures
// one function isn't the one that is busy with another's thousands. It has a session of
// its own, too, since Linux shares CPUs out among sessions.
func (b *bench) flood(ctx context.Context, to, body string, rate float64, length time.Duration) (floodResult, error) {
	self, err := os.Executable()
	if err != nil {
		return floodResult{}, err
	}
	cmd := exec.CommandContext(ctx, self, to, body, strconv.FormatFloat(rate, 'f', -1, 64), length.String()) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), roleVariable+"=flood")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return floodResult{}, err
	}
	var r floodResult
	return r, json.Unmarshal(out, &r)
}

// flood sends events and prints what came of them; its arguments are those of openLoop.
func flood(arguments []string) error {
	if len(arguments) != 4 {
		return fmt.Errorf("a flood has a URL, a body, a rate and a length, not %q", arguments)
	}
	rate, err := strconv.ParseFloat(arguments[2], 64)
	if err != nil {
		return err
	}
	length, err := time.ParseDuration(arguments[3])
	if err != nil {
		return err
	}
	if err := fdtable.Reserve(); err != nil {
		return err
	}
	l, err := openLoop(context.Background(), arguments[0], arguments[1], rate, length)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(floodResult{l.sent, l.admitted, l.inTime})
}
