package instance

import (
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

// lines keeps what was printed, and the times.
type lines struct {
	mu   sync.Mutex
	text []string
	at   []time.Time
}

func (l *lines) Record(at time.Time, _ *wick.Source, e wick.Event) {
	if line, ok := e.(wick.LogLine); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.text, l.at = append(l.text, line.Text), append(l.at, at)
	}
}

// slow takes its time for lines, so that a process prints faster than it is read.
type slow struct {
	n     atomic.Int64
	first chan struct{} // closed with the first line
}

func (s *slow) Record(_ time.Time, _ *wick.Source, e wick.Event) {
	if _, ok := e.(wick.LogLine); !ok {
		return
	}
	switch n := s.n.Add(1); {
	case n == 1:
		close(s.first)
	case n%1000 == 0:
		time.Sleep(50 * time.Microsecond)
	}
}

func newTestJournal(t *testing.T, rec wick.Recorder) *journal {
	t.Helper()
	j, err := newJournal(rec, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.close)
	j.assign(&wick.Source{Function: &wick.Function{}})
	return j
}

// All that fits a pipe was printed before what the platform states next.
func TestALotThatWasPrintedIsTakenInBeforeTheEnd(t *testing.T) {
	rec := &lines{}
	j := newTestJournal(t, rec)
	n := j.holds / 2 / 100
	line := []byte(strings.Repeat("x", 99) + "\n")
	for _, ends := range []func(){func() { j.finish(time.Now()) }, j.ended, j.close} {
		j.mu.Lock() // the reader waits, as it does for a core
		for range n {
			if _, err := j.w.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		rec.mu.Lock()
		rec.text = nil
		rec.mu.Unlock()
		j.mu.Unlock()
		ends()
		rec.mu.Lock()
		if len(rec.text) != n {
			t.Errorf("%d of %d lines were taken in", len(rec.text), n)
		}
		rec.mu.Unlock()
	}
}

func TestAProcessThatPrintsWithoutEndDoesNotHoldUpThePlatform(t *testing.T) {
	rec := &slow{first: make(chan struct{})}
	j := newTestJournal(t, rec)
	yes := exec.Command("yes") // it writes whole pages, so the pipe is really full
	yes.Stdout = j.w
	if err := yes.Start(); err != nil {
		t.Fatal(err)
	}
	<-rec.first
	for range 5 { // none of these returns if each waits for the pipe to be empty
		j.begin(time.Now(), "id", true)
		j.finish(time.Now())
	}
	if err := yes.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = yes.Wait() // it was killed
}

func TestClosingWaitsForNoReader(t *testing.T) {
	for range 200 { // the reader is woken at any moment of close
		j, err := newJournal(&lines{}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for { // until it is closed
				if _, err := io.WriteString(j.w, "x\n"); err != nil {
					return
				}
			}
		}()
		j.close()
		<-done
	}
}

func TestNothingIsStatedOfAnInstanceThatIsGone(t *testing.T) {
	rec := &lines{}
	j := newTestJournal(t, rec)
	j.close()
	j.state(time.Now(), wick.LogLine{Text: "late"})
	if len(rec.text) != 0 {
		t.Errorf("stated: %q", rec.text)
	}
}

func TestAFrameCannotSayATimeThatIsNotTrue(t *testing.T) {
	rec := &lines{}
	j := newTestJournal(t, rec)
	before := time.Now()
	for _, at := range []time.Time{time.UnixMicro(0), before.Add(24 * time.Hour)} {
		if _, err := io.WriteString(j.w, frame(at, "forged")); err != nil {
			t.Fatal(err)
		}
	}
	j.state(before)
	for n, at := range rec.at {
		if at.Before(before) || at.After(time.Now()) {
			t.Errorf("frame %d is from %s", n, at)
		}
	}
	if len(rec.at) != 2 {
		t.Errorf("%d records", len(rec.at))
	}
}

func TestARecordCutOffByAKillIsNotJoinedToTheNext(t *testing.T) {
	rec := &lines{}
	j := newTestJournal(t, rec)
	torn := frame(time.Now(), "torn here, not later")
	if _, err := io.WriteString(j.w, torn[:len(torn)-len(", not later")]); err != nil {
		t.Fatal(err)
	}
	j.ended()
	if _, err := io.WriteString(j.w, "next\n"); err != nil {
		t.Fatal(err)
	}
	j.state(time.Now())
	if got := strings.Join(rec.text, "|"); got != "torn here|next" {
		t.Errorf("recorded %q", got)
	}
}
