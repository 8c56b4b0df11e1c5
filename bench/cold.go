package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// coldTimes is what was measured of a language's cold starts.
type coldTimes struct {
	wick, bare, emulator sample
}

// cold has the first event ever of each of 20 functions in each language, beside the
// start of the language itself and of the emulator.
func cold(ctx context.Context, b *bench) (err error) {
	var ends closers
	defer ends.close(&err)
	w, err := b.startWick()
	if err != nil {
		return err
	}
	ends.add(w.Stop)
	functions := b.times(20, 3)
	name := func(l *language, n int) string { return fmt.Sprintf("cold-%s-%d", l.runtime[:4], n) }
	for _, l := range b.languages {
		for n := range functions {
			if err := w.create(ctx, name(l, n), l); err != nil {
				return err
			}
		}
	}
	took := map[*language]*coldTimes{}
	for _, l := range b.languages {
		took[l] = &coldTimes{}
	}
	for n := range functions {
		for at := range b.languages {
			l := b.languages[(at+n)%len(b.languages)]
			if err := b.oneCold(ctx, w, l, name(l, n), took[l]); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	for _, l := range b.languages {
		for n := range functions {
			ok, err := w.reportsInit(ctx, name(l, n))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("the log of %s has no REPORT with an Init Duration", name(l, n))
			}
		}
	}
	b.addCold(took, functions)
	return nil
}

// oneCold measures each kind of cold start once.
func (b *bench) oneCold(ctx context.Context, w *wickServer, l *language, name string, took *coldTimes) error {
	rest(ctx)
	bare, err := l.startBare(ctx)
	if err != nil {
		return err
	}
	took.bare = append(took.bare, bare)
	if b.hasEmulator(l) {
		rest(ctx)
		one, err := b.coldEmulator(ctx, l)
		if err != nil {
			return err
		}
		took.emulator = append(took.emulator, one)
	}
	rest(ctx)
	one, err := askOnce(ctx, w.URL+path(name))
	if err != nil {
		return err
	}
	took.wick = append(took.wick, one)
	return nil
}

// coldEmulator has a first answer of an emulator that listens already, as Wick does.
func (b *bench) coldEmulator(ctx context.Context, l *language) (time.Duration, error) {
	e, err := b.startEmulator(ctx, l)
	if err != nil {
		return 0, err
	}
	took, err := askOnce(ctx, e.url)
	return took, errors.Join(err, end(e.cmd))
}

func (b *bench) addCold(took map[*language]*coldTimes, functions int) {
	how := fmt.Sprintf("first event ever of each of %d functions, all kinds by turns; each REPORT has its Init Duration", functions)
	for _, l := range b.languages {
		t := took[l]
		r := times("cold, "+l.name+": Wick", t.wick, how)
		if l.coldBar > 0 {
			b.add(r.under(float64(t.wick.median())/float64(time.Millisecond), l.coldBar, "%.2f ms"))
		}
		switch l.name {
		case "Java":
			b.add(r.under(t.wick.over(t.bare), 1.3, "%.2f × bare"))
		case "Go": // its bare start is a fork
		default:
			b.add(times("cold, "+l.name+": Wick ÷ bare start", t.wick, how).under(t.wick.over(t.bare), 0.25, "%.2f"))
		}
		if len(t.emulator) > 0 {
			b.add(times("cold, "+l.name+": Wick ÷ Runtime Interface Emulator", t.wick, how).under(t.wick.over(t.emulator), 0.1, "%.2f"),
				times("cold, "+l.name+": the emulator, listening already", t.emulator, how))
		}
		b.add(times("cold, "+l.name+": bare start of the language", t.bare, how))
	}
}
