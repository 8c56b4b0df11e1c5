package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// What the functions of these scenarios work for, of one CPU.
const (
	overloadWork = 40
	fairWork     = 10
)

// queueWait is --queue-wait, the bound on how long an event waits.
const queueWait = 10 * time.Second

// overload sends ten times as many events as can be worked on.
func overload(ctx context.Context, b *bench) (err error) {
	var ends closers
	defer ends.close(&err)
	w, err := b.startWorking(ctx, &ends, []string{"overload"}, "--memory", "512MiB", "--queue-wait", queueWait.String())
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"ms": %d}`, overloadWork)
	// What can be done is what is done when there is always something to do.
	seconds := time.Duration(b.times(15, 5)) * time.Second
	if _, err := closedLoop(ctx, w.URL+path("overload"), body, 8, 5*time.Second); err != nil {
		return err
	}
	closed, err := closedLoop(ctx, w.URL+path("overload"), body, 8, seconds)
	if err != nil {
		return err
	}
	capacity := float64(len(closed)) / seconds.Seconds()
	length := time.Duration(b.times(60, 10)) * time.Second
	o, err := openLoop(ctx, w.URL+path("overload"), body, 10*capacity, length)
	if err != nil {
		return err
	}
	after, err := closedLoop(ctx, w.URL+path("overload"), body, 8, seconds)
	if err != nil {
		return err
	}
	how := fmt.Sprintf("Python, %d ms of CPU an event, `--memory 512MiB --queue-wait %v`; capacity %.1f/s before and %.1f/s after, 8 clients for %v; then %.0f/s offered for %v: %d answers, %d × 429",
		overloadWork, queueWait, capacity, float64(len(after))/seconds.Seconds(), seconds, 10*capacity, length, o.admitted, o.throttled)
	goodput := float64(o.inTime) / length.Seconds()
	b.add(times("overload × 10: answers/s ÷ capacity", o.took, how).over(goodput/capacity, 0.95, "%.2f"))
	// Behind the wait there is the work, with all that runs beside it.
	b.add(times("overload × 10: p99 of those admitted", o.took, "the same; the bar is the wait limit").
		under(o.took.quantile(0.99).Seconds(), queueWait.Seconds()+1, "%.1f s"))
	return nil
}

// startWorking starts a server with functions that work for as long as told.
func (b *bench) startWorking(ctx context.Context, ends *closers, names []string, arguments ...string) (*wickServer, error) {
	all := b.named("Python")
	if len(all) == 0 {
		return nil, errors.New("there is no Python here")
	}
	w, err := b.startWick(arguments...)
	if err != nil {
		return nil, err
	}
	ends.add(w.Stop)
	code, err := work("work.py")
	for _, name := range names {
		err = errors.Join(err, w.createOf(ctx, name, all[0].runtime, "work.handler", code))
	}
	return w, err
}

// closedLoop has clients send events one after the other for a while.
func closedLoop(ctx context.Context, to, body string, count int, length time.Duration) (sample, error) {
	t, err := parseTarget(to)
	if err != nil {
		return nil, err
	}
	var all samples
	until := time.Now().Add(length)
	err = workers(count, count, func(int) error {
		c, err := dial(ctx, t.address)
		if err != nil {
			return err
		}
		for err == nil && time.Now().Before(until) && ctx.Err() == nil {
			began := time.Now()
			var status int
			if status, _, _, err = c.post(t.path, body); err == nil && status != http.StatusOK {
				err = fmt.Errorf("the answer is %d", status)
			}
			if time.Now().Before(until) {
				all.add(time.Since(began))
			}
		}
		return errors.Join(err, c.Close())
	})
	return all.all, err
}

// loop is what came of events that were sent whatever came of those before.
type loop struct {
	took                              sample // of those answered
	sent, admitted, inTime, throttled int    // inTime: answered before the sending ended
}

// openLoop sends so many events a second for a while, and returns when all are answered.
// Connections are kept and used again.
func openLoop(ctx context.Context, to, body string, rate float64, length time.Duration) (loop, error) {
	t, err := parseTarget(to)
	if err != nil {
		return loop{}, err
	}
	var mu sync.Mutex // guards all below
	var free []*connection
	var l loop
	var failed error
	take := func() (*connection, error) {
		mu.Lock()
		if n := len(free); n > 0 {
			c := free[n-1]
			free = free[:n-1]
			mu.Unlock()
			return c, nil
		}
		mu.Unlock()
		return dial(ctx, t.address)
	}
	began := time.Now()
	one := func() {
		from := time.Now()
		c, err := take()
		status := 0
		if err == nil {
			status, _, _, err = c.post(t.path, body)
		}
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed = err
			return
		case status == http.StatusOK:
			l.took = append(l.took, now.Sub(from))
			l.admitted++
			if now.Sub(began) < length {
				l.inTime++
			}
		case status == http.StatusTooManyRequests:
			l.throttled++
		default:
			failed = fmt.Errorf("the answer is %d", status)
		}
		free = append(free, c)
	}
	var group sync.WaitGroup
	// In batches where they come faster than a timer does.
	tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Millisecond))
	defer tick.Stop()
	for sent := 0; time.Since(began) < length && ctx.Err() == nil; <-tick.C {
		for ; float64(sent) < rate*time.Since(began).Seconds(); sent++ {
			group.Go(one)
			l.sent++
		}
	}
	group.Wait()
	for _, c := range free {
		failed = errors.Join(failed, c.Close())
	}
	return l, failed
}
