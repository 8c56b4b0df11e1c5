-- A trace, with when its segments begin and end at the earliest and latest.
CREATE TABLE traces (
    id       INTEGER PRIMARY KEY,
    account  TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    trace_id TEXT    NOT NULL,
    first_us INTEGER NOT NULL,
    last_us  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL, -- of its documents
    exceeded INTEGER NOT NULL, -- 1 when documents were left out
    UNIQUE (account, region, trace_id)
) STRICT;

CREATE INDEX traces_first ON traces (account, region, first_us, trace_id);
CREATE INDEX traces_last ON traces (last_us);

CREATE TABLE trace_segments (
    trace      INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    segment_id TEXT    NOT NULL,
    start_us   INTEGER NOT NULL,
    document   BLOB    NOT NULL,
    PRIMARY KEY (trace, segment_id)
) STRICT;
