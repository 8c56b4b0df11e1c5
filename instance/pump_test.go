package instance

import (
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// told passes lines on as they are recorded.
type told chan string

func (c told) Record(_ time.Time, _ *wick.Source, e wick.Event) {
	if line, ok := e.(wick.LogLine); ok {
		c <- line.Text
	}
}

func TestWhatIsPrintedShowsThoughThePlatformStatesNothing(t *testing.T) {
	said := make(told)
	j := newTestJournal(t, said)
	for _, text := range []string{"one", "two"} { // the second is seen as well as the first
		if _, err := io.WriteString(j.w, text+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != text {
			t.Fatalf("%q, not %q", got, text)
		}
	}
}

func TestAPipeThatRestsIsLookedIntoWhenItIsWatchedAgain(t *testing.T) {
	said := make(told, 1)
	j := newTestJournal(t, said)
	j.rest()
	j.rest() // an instance may be frozen, then stopped
	other := make(told)
	k := newTestJournal(t, other)
	for n := range 2 { // a round that had begun before the rest is over behind the first
		if _, err := io.WriteString(k.w, "other\n"); err != nil {
			t.Fatal(err)
		}
		<-other
		if n > 0 {
			break
		}
		if _, err := io.WriteString(j.w, "late\n"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case text := <-said:
		t.Errorf("%q was read from a pipe that rests", text)
	default:
	}
	j.watch()
	if got := <-said; got != "late" {
		t.Errorf("%q", got)
	}
}

// A flood is read by a goroutine of its own, which is gone when it is over.
func TestAFloodIsReadAndEnds(t *testing.T) {
	rec := &lines{}
	j := newTestJournal(t, rec)
	const n = 300_000
	flood := exec.Command("sh", "-c", `yes "$0" | head -n "$1"`, strings.Repeat("x", 99), strconv.Itoa(n))
	flood.Stdout = j.w
	if err := flood.Run(); err != nil { // it ends only when the pipe has been read
		t.Fatal(err)
	}
	j.state(time.Now())
	rec.mu.Lock()
	got := len(rec.text)
	rec.mu.Unlock()
	if got != n {
		t.Errorf("%d of %d lines", got, n)
	}
	j.readers.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.flooded {
		t.Error("it is still taken for a flood")
	}
}

func TestAClosedJournalIsNotWatched(t *testing.T) {
	for range 100 { // the pump goes round at any moment of it
		j, err := newJournal(&lines{}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		go j.watch()
		j.close()
		j.watch()
		pipes.mu.Lock()
		for _, w := range pipes.watched {
			if w == j {
				t.Error("a closed journal is watched")
			}
		}
		pipes.mu.Unlock()
	}
}
