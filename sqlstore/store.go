package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/wick-run/wick"
)

// Options tune a Store. The zero value is right for a server.
type Options struct {
	// MaxBatch bounds how many callers' changes share one transaction; 0 means 256.
	MaxBatch int
	// MaxReaders bounds the connections for reading; 0 means one per CPU, 4 at least.
	MaxReaders int
	// BusyTimeout is how long to wait for another process that has the database
	// locked (a backup, the sqlite3 shell); 0 means 5 s.
	BusyTimeout time.Duration
}

// Store is an open database. Its methods can be called from several goroutines.
type Store struct {
	path      string
	readers   *sql.DB
	writer    *writer
	functions functionCache

	closeOnce sync.Once
	closeErr  error
}

var (
	_ wick.FunctionStore = (*Store)(nil)
	_ wick.LayerStore    = (*Store)(nil)
	_ wick.LogStore      = (*Store)(nil)
	_ wick.LogGroupStore = (*Store)(nil)
)

// Open opens the database file at path, making it and its folder when they are not
// there, and brings its schema up to date. Its errors are one line that says what to
// do. Two processes must not have the same database open: take Lock first.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.MaxBatch <= 0 {
		o.MaxBatch = 256
	}
	if o.MaxReaders <= 0 {
		o.MaxReaders = max(4, runtime.NumCPU())
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 5 * time.Second
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the database %s: %w", path, err)
	}
	if err := makeFile(path); err != nil {
		return nil, err
	}
	// A commit is as durable with fdatasync and takes about half the time. Where the
	// system has none it stays fsync.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, fmt.Errorf("setting how the database syncs: %w", err)
	}

	db, err := openPool(path, 1, url.Values{
		"_auto_vacuum":  {"2"}, // incremental; has an effect on a new database only
		"_busy_timeout": {fmt.Sprint(o.BusyTimeout.Milliseconds())},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"1"},
		"_dqs":          {"0"},
		// The log file shrinks again after a burst.
		"_pragma": {"journal_size_limit(67108864)"},
	})
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		err = prepare(ctx, conn, path)
	}
	if err != nil {
		return nil, errors.Join(explain(path, err), closePool(db, conn))
	}
	readers, err := openPool(path, o.MaxReaders, url.Values{
		"mode":          {"ro"},
		"_busy_timeout": {fmt.Sprint(o.BusyTimeout.Milliseconds())},
		"_query_only":   {"1"},
		"_dqs":          {"0"},
	})
	if err != nil {
		return nil, errors.Join(err, closePool(db, conn))
	}
	return &Store{path: path, readers: readers, writer: startWriter(path, db, conn, o.MaxBatch)}, nil
}

// Close waits for the writes and reads under way, moves everything from the
// write-ahead log into the database file and closes it. Later calls do nothing and
// return what the first one did; the store's other methods fail from then on.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		// Readers first: the last connection to close is the one that can write, and
		// SQLite then removes the write-ahead log.
		err := s.readers.Close()
		s.closeErr = errors.Join(err, s.writer.close())
	})
	return s.closeErr
}

// CommitLatency returns how long the commits since Open took, in milliseconds.
func (s *Store) CommitLatency() wick.Distribution {
	s.writer.latencyMu.Lock()
	defer s.writer.latencyMu.Unlock()
	return s.writer.latency.Clone()
}

// makeFile makes the database file, for its owner only: it holds the functions'
// environment variables. SQLite gives the files beside it the same permissions.
func makeFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return notWritable(dir, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return notWritable(dir, err)
	}
	return f.Close()
}

// openPool returns a pool of at most n connections. It opens none yet.
func openPool(path string, n int, params url.Values) (*sql.DB, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: params.Encode()}
	connector, err := sqlite.NewConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", path, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

func closePool(db *sql.DB, conn *sql.Conn) error {
	var err error
	if conn != nil {
		err = conn.Close()
	}
	return errors.Join(err, db.Close())
}
