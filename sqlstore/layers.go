package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wick-run/wick"
)

// PublishLayerVersion implements wick.LayerStore. The layer's own row outlives its
// versions and remembers the number given last.
func (s *Store) PublishLayerVersion(ctx context.Context, v *wick.LayerVersion) error {
	stored := *v
	stored.Created = v.Created.UTC()
	err := s.writer.write(ctx, func(t *tx) error {
		const next = `INSERT INTO layers (account, region, name, last_version) VALUES (?, ?, ?, 1)
			ON CONFLICT (account, region, name) DO UPDATE SET last_version = last_version + 1 RETURNING last_version`
		if err := t.scan(next, []any{v.Account, v.Region, v.Name}, &stored.Version); err != nil {
			return err
		}
		config, err := json.Marshal(&stored)
		if err != nil {
			return fmt.Errorf("encoding layer %s: %w", v.Name, err)
		}
		const insert = `INSERT INTO layer_versions (account, region, name, version, package_sha, package_bytes, config) VALUES (?, ?, ?, ?, ?, ?, ?)`
		_, err = t.exec(insert, v.Account, v.Region, v.Name, stored.Version, v.Code.SHA256, v.Code.Size, string(config))
		return err
	}, nil)
	if err == nil {
		v.Version = stored.Version
	}
	return err
}

// LayerVersion implements wick.LayerStore.
func (s *Store) LayerVersion(ctx context.Context, id wick.LayerID, version int64) (*wick.LayerVersion, error) {
	const query = `SELECT config FROM layer_versions WHERE account = ? AND region = ? AND name = ? AND version = ?`
	var config []byte
	err := s.readers.QueryRowContext(ctx, query, id.Account, id.Region, id.Name, version).Scan(&config)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, wick.Errorf(wick.NotFound, "The resource you requested does not exist.")
	}
	if err != nil {
		return nil, explain(s.path, err)
	}
	return decodeLayerVersion(config)
}

// DeleteLayerVersion implements wick.LayerStore.
func (s *Store) DeleteLayerVersion(ctx context.Context, id wick.LayerID, version int64) error {
	return s.writer.write(ctx, func(t *tx) error {
		const query = `DELETE FROM layer_versions WHERE account = ? AND region = ? AND name = ? AND version = ?`
		_, err := t.exec(query, id.Account, id.Region, id.Name, version)
		return err
	}, nil)
}

// matchingLayers says of a row of layer_versions whether it names the runtime ?3 and the
// architecture ?4 as compatible, each unless it is empty.
const matchingLayers = `account = ?1 AND region = ?2
	AND (?3 = '' OR EXISTS (SELECT 1 FROM json_each(config, '$.CompatibleRuntimes') WHERE value = ?3))
	AND (?4 = '' OR EXISTS (SELECT 1 FROM json_each(config, '$.CompatibleArchitectures') WHERE value = ?4))`

// Layers implements wick.LayerStore.
func (s *Store) Layers(ctx context.Context, q wick.LayerQuery, after string) ([]*wick.LayerVersion, error) {
	// With max(), SQLite takes the other columns from the row that has it.
	const query = `SELECT config FROM (SELECT name, config, max(version) FROM layer_versions
		WHERE ` + matchingLayers + ` AND name > ?5 GROUP BY name ORDER BY name LIMIT ?6)`
	return s.layerVersions(ctx, query, q.Account, q.Region, q.Runtime, q.Architecture, after, max(q.Limit, 0))
}

// LayerVersions implements wick.LayerStore.
func (s *Store) LayerVersions(ctx context.Context, q wick.LayerQuery, name string, before int64) ([]*wick.LayerVersion, error) {
	const query = `SELECT config FROM layer_versions
		WHERE ` + matchingLayers + ` AND name = ?5 AND (?6 = 0 OR version < ?6) ORDER BY version DESC LIMIT ?7`
	return s.layerVersions(ctx, query, q.Account, q.Region, q.Runtime, q.Architecture, name, before, max(q.Limit, 0))
}

func (s *Store) layerVersions(ctx context.Context, query string, args ...any) ([]*wick.LayerVersion, error) {
	var list []*wick.LayerVersion
	err := s.readEach(ctx, query, func(config []byte) error {
		v, err := decodeLayerVersion(config)
		list = append(list, v)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return list, nil
}

func decodeLayerVersion(config []byte) (*wick.LayerVersion, error) {
	v := new(wick.LayerVersion)
	if err := json.Unmarshal(config, v); err != nil {
		return nil, fmt.Errorf("decoding a stored layer: %w", err)
	}
	return v, nil
}
