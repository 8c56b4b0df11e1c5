-- A version of a function. config is the whole wick.Function as JSON; the other
-- columns repeat what queries select by.
CREATE TABLE functions (
    account       TEXT    NOT NULL,
    region        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    package_sha   TEXT    NOT NULL,
    package_bytes INTEGER NOT NULL,
    config        TEXT    NOT NULL,
    PRIMARY KEY (account, region, name, version)
) STRICT;

-- Lists go over $LATEST by name.
CREATE INDEX functions_latest ON functions (account, region, name) WHERE version = '$LATEST';

-- An account's usage is read from this index alone.
CREATE INDEX functions_usage ON functions (account, region, version, package_bytes);

CREATE INDEX functions_package ON functions (package_sha);

CREATE TABLE log_groups (
    id         INTEGER PRIMARY KEY,
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    -- The longest time from a chunk's first record to its last: how far before a
    -- range of time a chunk that reaches into it can begin.
    span_ms    INTEGER NOT NULL,
    UNIQUE (account, region, name)
) STRICT;

CREATE TABLE log_streams (
    id         INTEGER PRIMARY KEY,
    group_id   INTEGER NOT NULL REFERENCES log_groups (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (group_id, name)
) STRICT;

-- AUTOINCREMENT: an ID is never given again, so that "stored later than" holds.
CREATE TABLE log_chunks (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id  INTEGER NOT NULL REFERENCES log_groups (id) ON DELETE CASCADE,
    stream_id INTEGER NOT NULL REFERENCES log_streams (id) ON DELETE CASCADE,
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    records   INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    data      BLOB    NOT NULL
) STRICT;

CREATE INDEX log_chunks_oldest ON log_chunks (group_id, first_ms, last_ms);
CREATE INDEX log_chunks_newest ON log_chunks (group_id, last_ms, first_ms);
CREATE INDEX log_chunks_stream ON log_chunks (stream_id, first_ms);

-- Which chunks may hold records of an invocation, by a hash of its request ID: a
-- chunk found by chance is read in vain, a row is a quarter of its size.
CREATE TABLE log_requests (
    request_hash INTEGER NOT NULL,
    chunk_id     INTEGER NOT NULL REFERENCES log_chunks (id) ON DELETE CASCADE,
    PRIMARY KEY (request_hash, chunk_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX log_requests_chunk ON log_requests (chunk_id);
