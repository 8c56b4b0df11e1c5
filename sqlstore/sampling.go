package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/wick-run/wick"
)

var _ wick.SamplingRuleStore = (*Store)(nil)

// PutSamplingRule implements wick.SamplingRuleStore.
func (s *Store) PutSamplingRule(ctx context.Context, r wick.SamplingRule) error {
	config, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.writer.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT OR REPLACE INTO sampling_rules (account, region, name, config) VALUES (?, ?, ?, ?)`, r.Account, r.Region, r.Name, string(config))
		return err
	}, nil)
}

// SamplingRules implements wick.SamplingRuleStore.
func (s *Store) SamplingRules(ctx context.Context) ([]wick.SamplingRule, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT config FROM sampling_rules ORDER BY account, region, name`)
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer rows.Close() //nolint:errcheck // Err below says whether reading failed
	var list []wick.SamplingRule
	for rows.Next() {
		var config string
		if err := rows.Scan(&config); err != nil {
			return nil, explain(s.path, err)
		}
		var r wick.SamplingRule
		if err := json.Unmarshal([]byte(config), &r); err != nil {
			return nil, explain(s.path, err)
		}
		list = append(list, r)
	}
	return list, explain(s.path, rows.Err())
}

// DeleteSamplingRule implements wick.SamplingRuleStore.
func (s *Store) DeleteSamplingRule(ctx context.Context, account, region, name string) error {
	return s.writer.write(ctx, func(t *tx) error {
		result, err := t.exec(`DELETE FROM sampling_rules WHERE account = ? AND region = ? AND name = ?`, account, region, name)
		return changedOne(result, err, wick.Errorf(wick.NotFound, "Sampling rule does not exist."))
	}, nil)
}
