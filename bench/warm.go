package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// contestant answers events somewhere.
type contestant struct {
	language *language
	name     string
	url      string
	took     sample
	seconds  float64 // it took for all, when several clients asked
}

const (
	nameWick     = "Wick"
	nameProxy    = "Go's reverse proxy in front of a plain HTTP server"
	namePlain    = "that plain HTTP server, asked directly"
	nameEmulator = "Runtime Interface Emulator"
	nameOffline  = "serverless-offline"
)

// of returns a language's contestant of a name, or nil.
func of(all []*contestant, l *language, name string) *contestant {
	for _, c := range all {
		if c.language == l && c.name == name {
			return c
		}
	}
	return nil
}

// warm has one client send events one after the other, to each contestant by turns.
func warm(ctx context.Context, b *bench) (err error) {
	var ends closers
	defer ends.close(&err)
	w, err := b.startWick()
	if err != nil {
		return err
	}
	ends.add(w.Stop)
	var all []*contestant
	offline := ""
	for _, l := range b.named("Node.js", "Python") {
		if err := w.create(ctx, "warm-"+l.offline, l); err != nil {
			return err
		}
		proxy, server, err := b.startPlain(ctx, l, 1, &ends)
		if err != nil {
			return err
		}
		all = append(all, &contestant{language: l, name: nameWick, url: w.URL + path("warm-"+l.offline)},
			&contestant{language: l, name: nameProxy, url: proxy}, &contestant{language: l, name: namePlain, url: server})
		if b.hasEmulator(l) {
			e, err := b.startEmulator(ctx, l)
			if err != nil {
				return err
			}
			ends.add(func() error { return end(e.cmd) })
			all = append(all, &contestant{language: l, name: nameEmulator, url: e.url})
		}
		if b.hasOffline(l) {
			if offline == "" {
				if offline, err = b.startOffline(ctx, &ends); err != nil {
					return err
				}
			}
			all = append(all, &contestant{language: l, name: nameOffline, url: offline + path("bench-b-"+l.offline)})
		}
	}
	rounds, events := b.times(20, 3), 100
	err = byTurns(ctx, all, rounds, func(c *contestant) error {
		took, err := oneClient(ctx, c.url, events)
		c.took = append(c.took, took...)
		return err
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("1 client, connection kept, %d events in %d rounds by turns", rounds*events, rounds)
	for _, l := range b.named("Node.js", "Python") {
		mine := of(all, l, nameWick)
		for _, against := range []struct {
			name string
			bar  float64
		}{{nameProxy, 1}, {nameEmulator, 0.3}, {nameOffline, 0.15}} {
			if c := of(all, l, against.name); c != nil {
				b.add(times("warm, "+l.name+": Wick ÷ "+against.name, mine.took, how).under(mine.took.over(c.took), against.bar, "%.2f"))
			}
		}
		for _, c := range all {
			if c.language == l && c != mine {
				b.add(times("warm, "+l.name+": "+c.name, c.took, how))
			}
		}
	}
	return nil
}

// byTurns has each contestant measured once a round; nobody always comes first, or after
// the same one.
func byTurns(ctx context.Context, all []*contestant, rounds int, measure func(*contestant) error) error {
	for round := range rounds {
		for n := range all {
			c := all[(n+round)%len(all)]
			rest(ctx)
			if err := measure(c); err != nil {
				return fmt.Errorf("%s, %s: %w", c.language.name, c.name, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// oneClient sends events one after the other. The first few connect and thaw.
func oneClient(ctx context.Context, to string, events int) (took sample, err error) {
	t, err := parseTarget(to)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, t.address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for n := range events + 5 {
		one, err := c.ask(t.path)
		if err != nil {
			return nil, err
		}
		if n >= 5 {
			took = append(took, one)
		}
	}
	return took, nil
}

// clients has 16 clients send events for a while, to each contestant by turns.
func clients(ctx context.Context, b *bench) (err error) {
	const count = 16
	var ends closers
	defer ends.close(&err)
	w, err := b.startWick()
	if err != nil {
		return err
	}
	ends.add(w.Stop)
	var all []*contestant
	for _, l := range b.named("Node.js", "Python") {
		if err := w.create(ctx, "clients-"+l.offline, l); err != nil {
			return err
		}
		proxy, _, err := b.startPlain(ctx, l, count, &ends)
		if err != nil {
			return err
		}
		all = append(all, &contestant{language: l, name: nameWick, url: w.URL + path("clients-"+l.offline)},
			&contestant{language: l, name: nameProxy, url: proxy})
	}
	rounds, slice := b.times(8, 2), time.Second
	err = byTurns(ctx, all, rounds, func(c *contestant) error {
		took, seconds, err := manyClients(ctx, c.url, count, slice)
		c.took, c.seconds = append(c.took, took...), c.seconds+seconds
		return err
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%d clients for %v in %d rounds by turns", count, slice, rounds)
	for _, l := range b.named("Node.js", "Python") {
		mine, other := of(all, l, nameWick), of(all, l, nameProxy)
		rate := func(c *contestant) float64 { return float64(len(c.took)) / c.seconds }
		mineRow := times(fmt.Sprintf("16 clients, %s: Wick, %.0f/s, ÷ Go's reverse proxy in front of 16 plain HTTP servers", l.name, rate(mine)), mine.took, how)
		b.add(mineRow.over(rate(mine)/rate(other), 1, "%.2f"),
			times(fmt.Sprintf("16 clients, %s: that proxy, %.0f/s", l.name, rate(other)), other.took, how))
	}
	return nil
}

// manyClients has clients send events for a while after each has had a few answers.
func manyClients(ctx context.Context, to string, count int, slice time.Duration) (sample, float64, error) {
	t, err := parseTarget(to)
	if err != nil {
		return nil, 0, err
	}
	var group, ready sync.WaitGroup
	took := make([]sample, count)
	errs := make([]error, count)
	begin := make(chan time.Time) // closed when all have had their first answers
	var until time.Time
	ready.Add(count)
	for n := range count {
		group.Go(func() {
			c, err := dial(ctx, t.address)
			if err != nil {
				errs[n] = err
				ready.Done()
				return
			}
			defer func() { errs[n] = errors.Join(errs[n], c.Close()) }()
			for range 20 {
				if _, err = c.ask(t.path); err != nil {
					break
				}
			}
			ready.Done()
			<-begin
			for err == nil && time.Now().Before(until) {
				var one time.Duration
				if one, err = c.ask(t.path); err == nil {
					took[n] = append(took[n], one)
				}
			}
			errs[n] = err
		})
	}
	ready.Wait()
	began := time.Now()
	until = began.Add(slice)
	close(begin)
	group.Wait()
	seconds := time.Since(began).Seconds()
	var all sample
	for _, s := range took {
		all = append(all, s...)
	}
	return all, seconds, errors.Join(errs...)
}
