package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

// holdWriter keeps the writer busy until release is called, so that a test can line
// callers up behind it.
func holdWriter(t *testing.T, s *Store) (release func()) {
	t.Helper()
	started, gate, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.writer.write(context.Background(), func(*tx) error {
			close(started)
			<-gate
			return nil
		}, nil)
	}()
	<-started
	return func() {
		close(gate)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestACallerThatWaitsCanLeave(t *testing.T) {
	s := open(t)
	release := holdWriter(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	ran := false
	go func() {
		left <- s.writer.write(ctx, func(*tx) error { ran = true; return nil }, nil)
	}()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	release()
	if err := s.writer.write(t.Context(), func(*tx) error { return nil }, nil); err != nil {
		t.Error(err)
	}
	if ran {
		t.Error("the change of a caller that had left was made")
	}
}

func TestAChangeThatHasBegunIsReportedWhateverItsContext(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	f := storetest.NewFunction("begun")
	if err := s.CreateFunction(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	_, err := s.UpdateFunction(ctx, f.FunctionID, wick.Latest, func(f *wick.Function) error {
		cancel()
		f.Description = "changed"
		return nil
	})
	if err != nil {
		t.Errorf("error %v", err)
	}
	if got, err := s.Function(t.Context(), f.FunctionID, wick.Latest); err != nil || got.Description != "changed" {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestOneCallersFailureOrPanicIsItsOwn(t *testing.T) {
	s := open(t)
	release := holdWriter(t, s)
	insert := func(n int) func(*tx) error {
		return func(t *tx) error {
			_, err := t.exec(`INSERT INTO log_groups (account, region, name, created_ms, span_ms) VALUES ('a', 'r', ?, 0, 0)`, fmt.Sprint(n))
			return err
		}
	}
	refused := errors.New("refused")
	const callers = 40
	var wg sync.WaitGroup
	results := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					results[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			results[i] = s.writer.write(t.Context(), func(tx *tx) error {
				if err := insert(i)(tx); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return refused
				case 2:
					panic("ouch")
				case 3:
					return insert(i)(tx) // the name is taken
				}
				return nil
			}, nil)
		})
	}
	release()
	wg.Wait()
	for i, err := range results {
		ok := false
		switch i % 4 {
		case 0:
			ok = err == nil
		case 1:
			ok = err == refused //nolint:errorlint // returned as it is
		case 2:
			ok = err != nil && err.Error() == "panic: ouch"
		case 3:
			ok = err != nil && isConstraint(err)
		}
		if !ok {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	var n int
	if err := s.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM log_groups`).Scan(&n); err != nil || n != callers/4 {
		t.Errorf("%d rows, %v; want %d", n, err, callers/4)
	}
}

func TestCallersThatWaitShareATransaction(t *testing.T) {
	s := open(t)
	release := holdWriter(t, s)
	const callers = 64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if err := s.CreateFunction(t.Context(), storetest.NewFunction(fmt.Sprint("f", i))); err != nil {
				t.Error(err)
			}
		})
	}
	commits := 0
	s.writer.onCommit = func() { commits++ } // the writer is held: nobody reads it now
	release()
	wg.Wait()
	if err := s.Close(); err != nil { // the writer has ended: commits can be read
		t.Fatal(err)
	}
	// How many of them have come by then is the scheduler's choice.
	if commits == 0 || commits > callers/2 {
		t.Errorf("%d callers made %d commits", callers, commits)
	}
}

func TestAFailedCommitFailsAllOfIt(t *testing.T) {
	s := open(t)
	release := holdWriter(t, s)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.writer.write(t.Context(), func(t *tx) error {
				// A deferred foreign key is looked at by COMMIT only.
				if err := t.run(`PRAGMA defer_foreign_keys = ON`); err != nil {
					return err
				}
				_, err := t.exec(`INSERT INTO log_streams (group_id, name, created_ms) VALUES (4711, ?, 0)`, fmt.Sprint(i))
				return err
			}, func() { t.Error("a change that failed was said to be committed") })
		})
	}
	release()
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			t.Errorf("caller %d got no error", i)
		}
	}
	if err := s.CreateFunction(t.Context(), storetest.NewFunction("after")); err != nil {
		t.Errorf("the next change: %v", err)
	}
}

func TestCommitsAreTimed(t *testing.T) {
	s := open(t)
	if _, err := s.AddMetricPoints(t.Context(), []wick.MetricPoint{{}}, 1); err != nil {
		t.Fatal(err)
	}
	if d := s.CommitLatency(); d.Count != 1 || d.Max <= 0 {
		t.Errorf("the latency is %+v", d)
	}
}
