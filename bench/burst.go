package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// burst has 100 first events of one function come at the same time.
func burst(ctx context.Context, b *bench) (err error) {
	const events = 100
	all := b.named("Node.js")
	if len(all) == 0 {
		return errors.New("there is no Node.js here")
	}
	node := all[0]
	var ends closers
	defer ends.close(&err)
	w, err := b.startWick()
	if err != nil {
		return err
	}
	ends.add(w.Stop)
	code, err := work("work.mjs")
	if err != nil {
		return err
	}
	var bare, echo, busy sample
	instances := 0
	rounds := b.times(5, 2)
	for round := range rounds {
		for range 5 {
			rest(ctx)
			one, err := node.startBare(ctx)
			if err != nil {
				return err
			}
			bare = append(bare, one)
		}
		name := fmt.Sprintf("burst-%d", round)
		if err := w.create(ctx, name, node); err != nil {
			return err
		}
		pause(ctx, time.Second)
		last, err := atOnce(ctx, w.URL+path(name), events, event)
		if err != nil {
			return err
		}
		echo = append(echo, last)
		live, err := w.live(ctx)
		if err != nil {
			return err
		}
		instances += len(live.Instances)
		if err := w.delete(ctx, name); err != nil {
			return err
		}

		name = fmt.Sprintf("burst-long-%d", round)
		if err := w.createOf(ctx, name, node.runtime, "work.handler", code); err != nil {
			return err
		}
		pause(ctx, time.Second)
		if last, err = atOnce(ctx, w.URL+path(name), events, `{"ms": 5000}`); err != nil {
			return err
		}
		busy = append(busy, last)
		if err := w.delete(ctx, name); err != nil {
			return err
		}
	}
	how := fmt.Sprintf("%d rounds, a new function each, by turns with the bare start (%s), 1 s after its creation; %d instances on average",
		rounds, ms(bare.median()), instances/rounds)
	cores := float64(runtime.NumCPU())
	starts := events * float64(bare.median()) / cores
	b.add(times("burst: last of 100 first answers of a Node.js function ÷ (100 × bare start ÷ cores)", echo, how).under(float64(echo.median())/starts, 0.6, "%.2f"))
	b.add(times("burst: the same where each event takes 5 s, so that all 100 instances have to start; without the 5 s", less(busy, 5*time.Second), how))
	return nil
}

// less takes a duration off each.
func less(s sample, d time.Duration) sample {
	shorter := make(sample, len(s))
	for n, one := range s {
		shorter[n] = one - d
	}
	return shorter
}

// atOnce sends events at the same time, each on a connection that is there already, and
// returns how long the last answer took.
func atOnce(ctx context.Context, to string, events int, body string) (time.Duration, error) {
	t, err := parseTarget(to)
	if err != nil {
		return 0, err
	}
	connections := make([]*connection, events)
	for n := range connections {
		if connections[n], err = dial(ctx, t.address); err != nil {
			return 0, err
		}
	}
	var group sync.WaitGroup
	errs := make([]error, events)
	began := time.Now()
	for n, c := range connections {
		group.Go(func() {
			status, header, text, err := c.post(t.path, body)
			if err == nil && (status != 200 || header.Get("X-Amz-Function-Error") != "") {
				err = fmt.Errorf("the answer is %d %s", status, text)
			}
			errs[n] = errors.Join(err, c.Close())
		})
	}
	group.Wait()
	return time.Since(began), errors.Join(errs...)
}
