-- The settings of log groups. A deleted group has the account '' until its chunks are
-- swept away; its id is its name then.
ALTER TABLE log_groups ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_groups ADD COLUMN class TEXT NOT NULL DEFAULT 'STANDARD';
ALTER TABLE log_groups ADD COLUMN kms_key TEXT NOT NULL DEFAULT '';
ALTER TABLE log_groups ADD COLUMN protected INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_groups ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE log_groups ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE log_groups SET stored_bytes = (SELECT coalesce(sum(length(data)), 0) FROM log_chunks WHERE group_id = log_groups.id);

CREATE INDEX log_groups_retention ON log_groups (retention_days) WHERE retention_days > 0;

-- What a stream's records span; 0 while it has none.
ALTER TABLE log_streams ADD COLUMN oldest_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_streams ADD COLUMN newest_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_streams ADD COLUMN ingested_ms INTEGER NOT NULL DEFAULT 0;

UPDATE log_streams SET
    oldest_ms   = coalesce((SELECT min(first_ms) FROM log_chunks WHERE stream_id = log_streams.id), 0),
    newest_ms   = coalesce((SELECT max(last_ms) FROM log_chunks WHERE stream_id = log_streams.id), 0),
    ingested_ms = coalesce((SELECT max(last_ms) FROM log_chunks WHERE stream_id = log_streams.id), 0);

CREATE INDEX log_streams_newest ON log_streams (group_id, newest_ms, name);

-- Metric and subscription filters; config is the whole wick.LogFilter as JSON.
CREATE TABLE log_filters (
    group_id INTEGER NOT NULL REFERENCES log_groups (id) ON DELETE CASCADE,
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    config   TEXT    NOT NULL,
    PRIMARY KEY (group_id, kind, name)
) STRICT;
