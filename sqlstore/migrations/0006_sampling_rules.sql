-- X-Ray's sampling rules; config is the whole wick.SamplingRule as JSON.
CREATE TABLE sampling_rules (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    config  TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;
