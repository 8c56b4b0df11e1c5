package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// start measures how long wick serve takes to be ready where there are 1,000 functions,
// and to have a first answer of one of them.
func start(ctx context.Context, b *bench) (err error) {
	functions := b.times(1000, 100)
	dir, err := os.MkdirTemp(b.dir, "data")
	if err != nil {
		return err
	}
	some := b.named("Node.js", "Python")
	if len(some) == 0 {
		return errors.New("there is neither Node.js nor Python here")
	}
	w, err := b.startWickOn(dir)
	if err != nil {
		return err
	}
	if err := workers(functions, 8, func(n int) error { return w.create(ctx, fmt.Sprint("start-", n), some[n%len(some)]) }); err != nil {
		return errors.Join(err, w.Stop())
	}
	if err := w.Stop(); err != nil {
		return err
	}
	rounds := b.times(10, 3)
	var ready sample
	first := make([]sample, len(some))
	for round := range rounds * len(some) {
		rest(ctx)
		began := time.Now()
		w, err := b.startWickOn(dir)
		if err != nil {
			return err
		}
		ready = append(ready, time.Since(began))
		_, err = askOnce(ctx, w.URL+path(fmt.Sprint("start-", round)))
		first[round%len(some)] = append(first[round%len(some)], time.Since(began))
		if round == 0 {
			err = errors.Join(err, b.addServer(ctx, w, functions))
		}
		if err := errors.Join(err, w.Stop()); err != nil {
			return err
		}
	}
	how := fmt.Sprintf("%d starts of the process on a data directory with %d functions", rounds*len(some), functions)
	inMs := func(s sample) float64 { return float64(s.median()) / float64(time.Millisecond) }
	b.add(times("wick serve: exec to ready", ready, how).under(inMs(ready), 100, "%.0f ms"))
	for n, l := range some {
		b.add(times("wick serve: exec to the first answer of a "+l.name+" function", first[n], how).under(inMs(first[n]), 150, "%.0f ms"))
	}
	return nil
}

// addServer notes what a server that does nothing uses.
func (b *bench) addServer(ctx context.Context, w *wickServer, functions int) error {
	pause(ctx, 3*time.Second)
	pid, err := w.pid(ctx)
	if err != nil {
		return err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	const watch = 5 * time.Second
	pause(ctx, watch)
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	m, err := memoryOf(pid)
	if err != nil {
		return err
	}
	b.add(row{
		what:   fmt.Sprintf("memory of an idle wick serve with %d functions (PSS; with RSS %s)", functions, mib(m.rss)),
		figure: mib(m.pss), how: fmt.Sprintf("3 s after its start; it uses %.1f %% of one CPU", 100*(after-before).Seconds()/watch.Seconds()),
	})
	return nil
}
