package instance

import (
	"sync"
	"time"
)

// How often pipes are looked into. Nothing waits for that but whoever watches a log: the
// platform's own events take in what was printed before them.
const (
	lookEvery    = 10 * time.Millisecond
	lookOften    = 2 * time.Millisecond   // where there are pipes that could not be grown
	lookSoonest  = 250 * time.Microsecond // into a pipe that fills quickly
	quietLooks   = 8                      // after which it no longer is one
	fillsQuickly = 8                      // times what came since the last look fill the pipe: look sooner
)

// pump looks, from time to time, into the pipes of all instances that may be printing. A
// process's output wakes nobody: on a machine whose cores are busy with functions a wake-up
// a line costs more than the line, and holds up its writer. The goroutine is there while
// there is a pipe to look into.
type pump struct {
	mu      sync.Mutex
	watched []*journal
	small   int // watched pipes that could not be grown
	running bool
}

// pipes is the process's one pump: it does nothing that an owner would have to end.
var pipes pump

// watch has a journal's pipe looked into from now on.
func (p *pump) watch(j *journal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.watched.Swap(true) {
		return
	}
	j.place = len(p.watched)
	p.watched = append(p.watched, j)
	if j.holds < grownPipe {
		p.small++
	}
	if !p.running {
		p.running = true
		go p.run()
	}
}

// rest ends that: nothing inside can print.
func (p *pump) rest(j *journal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !j.watched.Swap(false) {
		return
	}
	if j.holds < grownPipe {
		p.small--
	}
	last := len(p.watched) - 1
	p.watched[j.place] = p.watched[last]
	p.watched[j.place].place = j.place
	p.watched[last] = nil
	p.watched = p.watched[:last]
}

func (p *pump) run() {
	var now []*journal
	for pause := lookOften; ; {
		time.Sleep(pause)
		p.mu.Lock()
		now = append(now[:0], p.watched...)
		p.running = len(now) > 0
		if pause = lookEvery; p.small > 0 {
			pause = lookOften
		}
		p.mu.Unlock()
		if len(now) == 0 {
			return
		}
		for _, j := range now {
			j.look()
		}
		clear(now)
	}
}

// look takes in a little that was printed; more than that is left to a goroutine of the
// journal's own, so that a function that prints a lot holds up no other's lines.
func (j *journal) look() {
	if !j.mu.TryLock() { // somebody is taking it in
		return
	}
	defer j.mu.Unlock()
	if j.flooded || !j.read() {
		return
	}
	j.flooded = true
	j.readers.Add(1) // it isn't closed, or read had said no
	go j.flood()
}

// flood reads a pipe that is being filled faster than the pump would empty it, until it
// no longer is.
func (j *journal) flood() {
	defer j.readers.Done()
	pause := lookEvery / 2
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for quiet := 0; quiet < quietLooks; {
		j.mu.Lock()
		n := j.drain()
		closed := j.closed
		j.mu.Unlock()
		switch {
		case closed:
			return
		case n >= j.holds/2: // its writer may be waiting
			pause = lookSoonest
			continue
		case n >= j.holds/fillsQuickly:
			pause = max(pause/2, lookSoonest)
			quiet = 0
		case n >= pipeBytes/2:
			quiet = 0
		default:
			pause = min(pause*2, lookEvery)
			quiet++
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-j.gone:
			return
		}
	}
	j.mu.Lock()
	j.flooded = false
	j.mu.Unlock()
}
