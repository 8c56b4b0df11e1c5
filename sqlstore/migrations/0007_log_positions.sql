-- How far a filter has come: all chunks up to this ID are done with. A filter that is
-- there already goes on with what comes from now on.
ALTER TABLE log_filters ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

UPDATE log_filters SET position = (SELECT coalesce(max(id), 0) FROM log_chunks);

-- A group's chunks in the order of storing: within equal keys an index is in the order of
-- IDs.
CREATE INDEX log_chunks_group ON log_chunks (group_id);
