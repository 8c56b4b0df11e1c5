package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/wick-run/wick"
)

// explain turns SQLite's word on what went wrong with the file at path into one that
// says what to do. Errors that are not SQLite's pass as they are.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrConnDone) || strings.Contains(err.Error(), "sql: database is closed") {
		return errClosed
	}
	var e *sqlite.Error
	if !errors.As(err, &e) || isWickError(err) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damaged(path, e.Error())
	case sqlite3.SQLITE_FULL:
		return wick.Errorf(wick.Internal, "the disk of %s is full: free some space; nothing of this change was stored", filepath.Dir(path))
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return notWritable(filepath.Dir(path), e)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return wick.Errorf(wick.Internal, "the database %s is locked by another process: end it and try again", path)
	case sqlite3.SQLITE_IOERR:
		return wick.Errorf(wick.Internal, "reading or writing the database %s failed (%v): see that its disk is well and has space", path, e)
	case sqlite3.SQLITE_INTERRUPT:
		return context.Canceled
	}
	return &wick.Error{Kind: wick.Internal, Message: "the database " + path + " refused a statement", Cause: err}
}

// errClosed is what a store's methods return after Close.
var errClosed = wick.Errorf(wick.Unavailable, "the database is closed: the server is shutting down")

func damaged(path, what string) error {
	return wick.Errorf(wick.Internal, "the database %s is damaged (%s): restore it from a backup or move it away to start empty", path, what)
}

func notWritable(dir string, err error) error {
	return wick.Errorf(wick.Internal, "the data directory %s can't be written (%v): change its permissions or choose another with --data-dir", dir, err)
}

func isWickError(err error) bool {
	var e *wick.Error
	return errors.As(err, &e)
}

// isConstraint says whether a unique or primary key refused a row.
func isConstraint(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}
