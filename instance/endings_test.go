package instance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/instance"
	"github.com/wick-run/wick/sandbox"
)

// watched is a driver whose sandboxes note, and can refuse, what they are asked to do.
type watched struct {
	sandbox.Driver
	mu     sync.Mutex
	done   string // S for each Start, K for each KillAll
	refuse error  // of Start
	busy   func() // called when Start says that the program is open for writing
	spare  error  // of KillAll
}

func (w *watched) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	box, err := w.Driver.Create(ctx, spec)
	return &watchedBox{box, w}, err
}

type watchedBox struct {
	sandbox.Sandbox
	w *watched
}

func (b *watchedBox) Start(c sandbox.Command) (sandbox.Process, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.w.refuse != nil {
		return nil, b.w.refuse
	}
	p, err := b.Sandbox.Start(c)
	if b.w.busy != nil && errors.Is(err, syscall.ETXTBSY) {
		b.w.busy()
		return p, err
	}
	b.w.done += "S"
	return p, err
}

func TestAProgramThatIsOpenForWritingForAMomentIsStartedThen(t *testing.T) {
	s := newStage(t)
	f := s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, ""))
	program, err := os.OpenFile(filepath.Join(s.code[f.Code.SHA256], "bootstrap"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	busy := 0
	w := &watched{Driver: s.host.Driver, busy: func() {
		if busy++; busy == 3 {
			if err := program.Close(); err != nil {
				t.Error(err)
			}
		}
	}}
	s.host.Driver = w
	i := s.bring(t, f)
	if a := s.invoke(t, i, "ID", `"call('POST', response, '1')"`); string(a.Payload) != "1" {
		t.Errorf("tried %d times, it answers %s", busy, a.Payload)
	}
	if busy == 0 {
		_ = program.Close() // nothing was written
		t.Skip("this kernel (Linux 6.11 or 6.12) starts a program that is open for writing")
	}
}

func (b *watchedBox) KillAll() error {
	b.w.mu.Lock()
	b.w.done += "K"
	spare := b.w.spare
	b.w.mu.Unlock()
	return errors.Join(b.Sandbox.KillAll(), spare)
}

func TestARuntimeIsEndedOnceHoweverManyThingsEndIt(t *testing.T) {
	s := newStage(t)
	w := &watched{Driver: s.host.Driver}
	s.host.Driver = w
	i := s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave,
		`call("POST", "init/error", "{}"); sys.exit(1)`)))
	for n := range 5 {
		if a := s.invoke(t, i, fmt.Sprint("ID", n), `""`); !a.Failed {
			t.Errorf("the answer is %s", a.Payload)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A kill behind the next start would end the wrong runtime.
	if want := strings.Repeat("SK", 6); w.done != want {
		t.Errorf("started and killed as %s, want %s", w.done, want)
	}
}

func TestAnInstanceThatCannotStartARuntimeTakesNoEvent(t *testing.T) {
	s := newStage(t)
	w := &watched{Driver: s.host.Driver}
	s.host.Driver = w
	f := s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "sys.exit(1)"))
	i := s.bring(t, f)
	w.mu.Lock()
	w.refuse = errors.New("the sandbox is lost")
	w.mu.Unlock()
	if _, err := i.Invoke(&instance.Invocation{RequestID: "ID"}); !errors.Is(err, instance.ErrNotDelivered) {
		t.Errorf("an event came to %v", err)
	}
	plan, err := s.host.Plan(f)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.host.Boot(t.Context(), plan, func(*instance.Instance) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Assign(t.Context(), plan, f); !errors.Is(err, w.refuse) {
		t.Errorf("assigning came to %v", err)
	}
	if err := other.Stop(); err != nil {
		t.Error(err)
	}
}

func TestAnInstanceWhoseProcessesCannotBeEndedStartsNoMore(t *testing.T) {
	s := newStage(t)
	w := &watched{Driver: s.host.Driver, spare: errors.New("one is left")}
	s.host.Driver = w
	i := s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "")))
	if a := s.invoke(t, i, "ID", `"sys.exit(1)"`); !a.Failed {
		t.Errorf("the answer is %s", a.Payload)
	}
	if _, err := i.Invoke(&instance.Invocation{RequestID: "next"}); !errors.Is(err, instance.ErrNotDelivered) {
		t.Errorf("the next event came to %v", err)
	}
}

func TestABootThatFailsLeavesNothing(t *testing.T) {
	s := newStage(t)
	w := &watched{Driver: s.host.Driver, refuse: errors.New("no process can be made")}
	s.host.Driver = w
	plan, err := s.host.Plan(s.function(t, "python3.12", "app.py", ""))
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Stem {
		t.Fatal("a python function takes no stem")
	}
	if _, err := s.host.Boot(t.Context(), plan, nil); !errors.Is(err, w.refuse) {
		t.Errorf("booting came to %v", err)
	}
	// What its sandbox and servers would have left is looked for at the package's end.
}

// absurd is a duration from the beginning of time.
var absurd = regexp.MustCompile(`Duration: \d{8}`)

func TestARuntimeThatEndsBetweenEventsIsStartedAgainWithWholeLogs(t *testing.T) {
	s := newStage(t)
	f := s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "import threading"))
	i := s.bring(t, f)
	// Some end before they would be frozen, some in that moment, some when let go on.
	for n := range 12 {
		event, err := json.Marshal(fmt.Sprintf(
			`call("POST", response, "1"); threading.Timer(%f, lambda: os._exit(3)).start()`, float64(n)*0.02))
		if err != nil {
			t.Fatal(err)
		}
		a := s.invoke(t, i, fmt.Sprint("ID-", n), string(event))
		if strings.Contains(string(a.Payload), "Timedout") {
			t.Errorf("event %d: %s", n, a.Payload)
		}
		tail := string(a.LogTail)
		start, end := strings.Index(tail, "START RequestId"), strings.Index(tail, "\nREPORT RequestId")
		if start < 0 || end < start || absurd.MatchString(tail) {
			t.Errorf("event %d logged\n%s", n, tail)
		}
	}
}

func TestAnInstanceThatGetsNoEventIsFrozenToo(t *testing.T) {
	s := newStage(t)
	frozen := make(chan struct{})
	s.host.Recorder = wick.Recorders{s.events, onFreeze(frozen)}
	s.bring(t, s.function(t, "provided.al2023", "bootstrap", fmt.Sprintf(misbehave, "")))
	<-frozen
}

// onFreeze closes a channel when an instance is frozen.
type onFreeze chan struct{}

func (c onFreeze) Record(_ time.Time, _ *wick.Source, e wick.Event) {
	if change, ok := e.(wick.StateChanged); ok && change.To == wick.InstanceFrozen {
		close(c)
	}
}
