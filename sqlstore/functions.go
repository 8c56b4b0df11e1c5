package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wick-run/wick"
)

// CreateFunction implements wick.FunctionStore. It sets f.ConfigHash.
func (s *Store) CreateFunction(ctx context.Context, f *wick.Function) error {
	row, err := encodeFunction(f)
	if err != nil {
		return err
	}
	err = s.writer.write(ctx, func(t *tx) error {
		const insert = `INSERT INTO functions (account, region, name, version, package_sha, package_bytes, config) VALUES (?, ?, ?, ?, ?, ?, ?)`
		_, err := t.exec(insert, f.Account, f.Region, f.Name, f.Version, f.Code.SHA256, f.Code.Size, row.config)
		if isConstraint(err) {
			return wick.Errorf(wick.Conflict, "Function already exist: %s", f.Name)
		}
		return err
	}, func() { s.functions.changed(f.FunctionID) })
	if err == nil {
		f.ConfigHash = row.hash
	}
	return err
}

// Function implements wick.FunctionStore. What it returns may be shared and must not
// be changed.
func (s *Store) Function(ctx context.Context, id wick.FunctionID, version string) (*wick.Function, error) {
	f, generation := s.functions.get(id, version)
	if f != nil {
		return f, nil
	}
	const query = `SELECT config FROM functions WHERE account = ? AND region = ? AND name = ? AND version = ?`
	var config []byte
	err := s.readers.QueryRowContext(ctx, query, id.Account, id.Region, id.Name, version).Scan(&config)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound(id, version)
	}
	if err != nil {
		return nil, explain(s.path, err)
	}
	if f, err = decodeFunction(config); err != nil {
		return nil, err
	}
	s.functions.put(f, generation)
	return f, nil
}

// UpdateFunction implements wick.FunctionStore. change runs while every other write
// waits: it must be quick and must not call the store.
func (s *Store) UpdateFunction(ctx context.Context, id wick.FunctionID, version string, change func(*wick.Function) error) (*wick.Function, error) {
	var updated *wick.Function
	err := s.writer.write(ctx, func(t *tx) error {
		const query = `SELECT config FROM functions WHERE account = ? AND region = ? AND name = ? AND version = ?`
		var config []byte
		err := t.scan(query, []any{id.Account, id.Region, id.Name, version}, &config)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(id, version)
		}
		if err != nil {
			return err
		}
		f, err := decodeFunction(config)
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		if f.FunctionID != id || f.Version != version {
			return fmt.Errorf("an update may not rename %s to %s", id.QualifiedARN(version), f.QualifiedARN(f.Version))
		}
		row, err := encodeFunction(f)
		if err != nil {
			return err
		}
		f.ConfigHash = row.hash
		const update = `UPDATE functions SET package_sha = ?, package_bytes = ?, config = ? WHERE account = ? AND region = ? AND name = ? AND version = ?`
		if _, err := t.exec(update, f.Code.SHA256, f.Code.Size, row.config, id.Account, id.Region, id.Name, version); err != nil {
			return err
		}
		updated = f
		return nil
	}, func() { s.functions.changed(id) })
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// DeleteFunction implements wick.FunctionStore.
func (s *Store) DeleteFunction(ctx context.Context, id wick.FunctionID) error {
	return s.writer.write(ctx, func(t *tx) error {
		result, err := t.exec(`DELETE FROM functions WHERE account = ? AND region = ? AND name = ?`, id.Account, id.Region, id.Name)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return notFound(id, wick.Latest)
		}
		return err
	}, func() { s.functions.changed(id) })
}

// Functions implements wick.FunctionStore.
func (s *Store) Functions(ctx context.Context, account, region, after string, limit int) ([]*wick.Function, error) {
	const query = `SELECT config FROM functions WHERE account = ? AND region = ? AND name > ? AND version = '$LATEST' ORDER BY name LIMIT ?`
	var list []*wick.Function
	err := s.readEach(ctx, query, func(config []byte) error {
		f, err := decodeFunction(config)
		list = append(list, f)
		return err
	}, account, region, after, max(limit, 0))
	if err != nil {
		return nil, err
	}
	return list, nil
}

// AccountUsage implements wick.FunctionStore. Each version of a function or a layer
// counts its package.
func (s *Store) AccountUsage(ctx context.Context, account, region string) (functions int, codeBytes int64, err error) {
	const query = `SELECT count(*) FILTER (WHERE version = '$LATEST'), coalesce(sum(package_bytes), 0) +
		(SELECT coalesce(sum(package_bytes), 0) FROM layer_versions WHERE account = ?1 AND region = ?2)
		FROM functions WHERE account = ?1 AND region = ?2`
	err = s.readers.QueryRowContext(ctx, query, account, region).Scan(&functions, &codeBytes)
	return functions, codeBytes, explain(s.path, err)
}

// PackagesInUse implements wick.FunctionStore.
func (s *Store) PackagesInUse(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	const packages = `SELECT package_sha FROM functions UNION SELECT package_sha FROM layer_versions`
	err := s.readEach(ctx, packages, func(sha []byte) error {
		used[string(sha)] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	const layers = `SELECT DISTINCT json_extract(config, '$.Layers') FROM functions WHERE json_type(config, '$.Layers') = 'array'`
	err = s.readEach(ctx, layers, func(list []byte) error {
		var f wick.Function
		if err := json.Unmarshal(list, &f.Layers); err != nil {
			return fmt.Errorf("decoding a stored function's layers: %w", err)
		}
		f.MarkLayers(used)
		return nil
	})
	return used, err
}

// readEach calls do with the one column of each row that a query returns; what it gets
// is valid only during the call.
func (s *Store) readEach(ctx context.Context, query string, do func([]byte) error, args ...any) error {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	for rows.Next() {
		var value sql.RawBytes
		if err := rows.Scan(&value); err != nil {
			return explain(s.path, err)
		}
		if err := do(value); err != nil {
			return err
		}
	}
	return explain(s.path, rows.Err())
}

// notFound is AWS's answer for a function or version that doesn't exist.
func notFound(id wick.FunctionID, version string) error {
	if version == wick.Latest {
		version = ""
	}
	return wick.Errorf(wick.NotFound, "Function not found: %s", id.QualifiedARN(version))
}

// functionRow is what a function becomes in the database.
type functionRow struct {
	config string
	hash   string
}

// encodeFunction turns a function into its row: a JSON object with the members of
// wick.Function under their Go names, so renaming one needs a migration.
func encodeFunction(f *wick.Function) (functionRow, error) {
	stored := *f
	stored.ConfigHash = configHash(f)
	stored.LastModified = f.LastModified.UTC()
	config, err := json.Marshal(&stored)
	if err != nil {
		return functionRow{}, fmt.Errorf("encoding function %s: %w", f.Name, err)
	}
	return functionRow{config: string(config), hash: stored.ConfigHash}, nil
}

func decodeFunction(config []byte) (*wick.Function, error) {
	f := new(wick.Function)
	if err := json.Unmarshal(config, f); err != nil {
		return nil, fmt.Errorf("decoding a stored function: %w", err)
	}
	return f, nil
}
