package instance

import (
	"bytes"
	"io"
	"strings"
	"sync"
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

func TestAProcessThatPrintsWithoutEndDoesNotHoldUpThePlatform(t *testing.T) {
	j := newTestJournal(t, &lines{})
	piece := bytes.Repeat([]byte("y\n"), 32<<10)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = j.w.Write(piece) // the pipe is the test's own
			}
		}
	}()
	for range 20 { // none of these returns if each waits for the pipe to be empty
		j.begin(time.Now(), "id", true)
		j.finish(time.Now())
	}
	close(stop)
	<-done
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
			_, _ = io.WriteString(j.w, strings.Repeat("x\n", 20)) // may come too late
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
