-- A metric: what names it, with the end of its latest period.
CREATE TABLE metrics (
    id         INTEGER PRIMARY KEY,
    account    TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    dimensions TEXT    NOT NULL, -- JSON: [[NAME, VALUE], …] by name
    last_s     INTEGER NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions)
) STRICT;

CREATE TABLE metric_points (
    metric   INTEGER NOT NULL REFERENCES metrics (id) ON DELETE CASCADE,
    period_s INTEGER NOT NULL, -- 1, 60, 300 or 3600
    start_s  INTEGER NOT NULL,
    unit     TEXT    NOT NULL,
    n        REAL    NOT NULL,
    total    REAL    NOT NULL,
    least    REAL    NOT NULL,
    greatest REAL    NOT NULL,
    bins     BLOB    NOT NULL, -- of a wick.Distribution
    PRIMARY KEY (metric, period_s, start_s, unit)
) STRICT, WITHOUT ROWID;

CREATE INDEX metric_points_old ON metric_points (period_s, start_s);
