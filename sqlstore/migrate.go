package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/wick-run/wick"
)

// migrations are the schema's steps, named NUMBER_WHAT.sql, in order and without
// gaps from 1. One that was released never changes; a change is a new one.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a database as Wick's ("Wick" in ASCII), for file(1) and for
// not writing into another program's.
const applicationID = 0x5769636b

// checkedBytes is up to which size a database is checked whole when it is opened:
// that many take a few milliseconds.
const checkedBytes = 1 << 20

// prepare checks that the database is whole and ours and brings its schema up to
// date, each step in a transaction of its own.
func prepare(ctx context.Context, conn *sql.Conn, path string) error {
	steps, err := readMigrations(migrations)
	if err != nil {
		return err
	}
	var version, application, tables int
	const state = `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`
	if err := conn.QueryRowContext(ctx, state).Scan(&version, &application, &tables); err != nil {
		return err
	}
	switch {
	case tables > 0 && application != applicationID:
		return wick.Errorf(wick.Internal, "the database %s belongs to another program: choose another folder with --data-dir", path)
	case version > len(steps):
		return wick.Errorf(wick.Internal, "the database %s was written by a newer wick (schema %d, this one knows up to %d): update wick or choose another folder with --data-dir",
			path, version, len(steps))
	}
	if info, err := os.Stat(path); err == nil && tables > 0 && info.Size() <= checkedBytes {
		var verdict string
		if err := conn.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return damaged(path, strings.ReplaceAll(verdict, "\n", " "))
		}
	}
	for i := version; i < len(steps); i++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;", steps[i], applicationID, i+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			// The error to tell is the step's; with it the transaction may be gone already.
			_, _ = conn.ExecContext(ctx, "ROLLBACK")
			return fmt.Errorf("bringing the database %s from schema %d to %d: %w", path, i, i+1, err)
		}
	}
	return nil
}

// readMigrations returns the scripts in order and checks their numbers.
func readMigrations(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var steps []string
	for i, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s should have number %d", name, i+1)
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(script))
	}
	return steps, nil
}
