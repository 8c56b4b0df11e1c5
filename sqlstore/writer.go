package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/wick-run/wick"
)

// writer is the one goroutine that changes the database. Callers hand it closures;
// those that are waiting when it is ready share one transaction and so one sync of
// the disk, each within a savepoint that undoes its change alone.
//
// Callers wait at an unbuffered channel: until the writer takes a job its caller can
// leave, and from then on it is told how the job ended.
type writer struct {
	path     string
	db       *sql.DB
	conn     *sql.Conn
	tx       *tx
	jobs     chan *job
	maxBatch int

	latencyMu sync.Mutex        // guards latency
	latency   wick.Distribution // of commits, in ms

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
	closeErr  error  // set before done is closed
	onCommit  func() // for tests; nil otherwise
}

// job is one caller's change.
type job struct {
	change func(*tx) error
	// committed runs in the writer after the commit and before the caller is told.
	committed func()
	err       error
	panicked  any
	done      chan struct{}
}

// tx is the transaction a change runs in. Its statements are prepared once and kept
// as long as the connection.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func startWriter(path string, db *sql.DB, conn *sql.Conn, maxBatch int) *writer {
	w := &writer{
		path: path, db: db, conn: conn, maxBatch: maxBatch,
		tx:      &tx{conn: conn, stmts: map[string]*sql.Stmt{}},
		jobs:    make(chan *job),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.run()
	return w
}

// write runs change in a transaction and returns when it is on stable storage, with
// change's own error after undoing what it did, or with the commit's. ctx counts
// until change begins. change runs in the writer's goroutine: it must not wait for
// anything, and must not call the store.
func (w *writer) write(ctx context.Context, change func(*tx) error, committed func()) error {
	j := &job{change: change, committed: committed, done: make(chan struct{})}
	select {
	case <-ctx.Done(): // select picks at random when the writer is ready too
		return ctx.Err()
	case <-w.closing:
		return errClosed
	default:
	}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
	<-j.done
	if j.panicked != nil {
		panic(j.panicked)
	}
	return explain(w.path, j.err)
}

// close lets the writer finish what it took, and closes the database.
func (w *writer) close() error {
	w.closeOnce.Do(func() { close(w.closing) })
	<-w.done
	return w.closeErr
}

func (w *writer) run() {
	defer close(w.done)
	batch := make([]*job, 0, w.maxBatch)
	for {
		select {
		case j := <-w.jobs:
			batch = w.gather(append(batch[:0], j))
			w.commitAll(batch)
			clear(batch)
		case <-w.closing:
			w.closeErr = w.closeDatabase()
			return
		}
	}
}

// gather adds the jobs that are waiting. Callers that the last commit woke need a
// moment on a CPU to come back with their next job.
func (w *writer) gather(batch []*job) []*job {
	yielded := false
	for len(batch) < w.maxBatch {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		default:
			if yielded {
				return batch
			}
			yielded = true
			runtime.Gosched()
		}
	}
	return batch
}

// commitAll runs jobs in as few transactions as it takes and tells their callers.
func (w *writer) commitAll(jobs []*job) {
	for len(jobs) > 0 {
		ran := w.commit(jobs)
		for _, j := range jobs[:ran] {
			if j.err == nil && j.panicked == nil && j.committed != nil {
				j.committed()
			}
			close(j.done)
		}
		jobs = jobs[ran:]
	}
}

// commit runs jobs in one transaction and returns how many it ran, which is all of
// them unless one's failure ended the transaction: then those before it fail with it
// and those behind it have not run. Each job's err says how it ended.
func (w *writer) commit(jobs []*job) (ran int) {
	if err := w.tx.run("BEGIN IMMEDIATE"); err != nil {
		fail(jobs, err)
		return len(jobs)
	}
	kept := 0
	for i, j := range jobs {
		if err := w.runInSavepoint(j); err != nil {
			fail(jobs[:i+1], err)
			w.rollback()
			return i + 1
		}
		if j.err == nil && j.panicked == nil {
			kept++
		}
	}
	if kept == 0 {
		w.rollback()
		return len(jobs)
	}
	began := time.Now()
	if err := w.tx.run("COMMIT"); err != nil {
		fail(jobs, fmt.Errorf("committing: %w", err))
		w.rollback()
	}
	w.took(time.Since(began))
	if w.onCommit != nil {
		w.onCommit()
	}
	return len(jobs)
}

// took notes how long a commit took.
func (w *writer) took(d time.Duration) {
	w.latencyMu.Lock()
	defer w.latencyMu.Unlock()
	w.latency.Add(float64(d)/float64(time.Millisecond), 1)
}

// runInSavepoint runs one job; its failure is undone and kept in the job. The error
// it returns means that the whole transaction is lost: SQLite rolls back by itself
// when the disk is full or broken, and the savepoint is then gone.
func (w *writer) runInSavepoint(j *job) error {
	if err := w.tx.run("SAVEPOINT job"); err != nil {
		return err
	}
	w.call(j)
	if j.err != nil || j.panicked != nil {
		if err := w.tx.run("ROLLBACK TO job"); err != nil {
			return errors.Join(j.err, err)
		}
	}
	return w.tx.run("RELEASE job")
}

// call runs a job's change; a panic is the caller's, not the writer's.
func (w *writer) call(j *job) {
	defer func() { j.panicked = recover() }()
	j.err = j.change(w.tx)
}

// rollback ends a transaction that may have ended already.
func (w *writer) rollback() {
	_ = w.tx.run("ROLLBACK") // it fails when SQLite has rolled back by itself
}

// fail gives each job an error unless it has one of its own.
func fail(jobs []*job, err error) {
	for _, j := range jobs {
		if j.err == nil {
			j.err = err
		}
	}
}

// closeDatabase moves the write-ahead log into the database, so that the file alone
// is a backup.
func (w *writer) closeDatabase() error {
	_, err := w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	for _, s := range w.tx.stmts {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(explain(w.path, err), closePool(w.db, w.conn))
}

// run executes a statement without arguments.
func (t *tx) run(query string) error {
	_, err := t.exec(query)
	return err
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

// scan runs a query for one row; sql.ErrNoRows when there is none.
func (t *tx) scan(query string, args []any, dest ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(dest...)
}

func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}
