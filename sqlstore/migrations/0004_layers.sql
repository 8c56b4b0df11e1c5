-- A layer. Its row stays when all its versions are gone: numbers are never given again.
CREATE TABLE layers (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    last_version INTEGER NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT;

-- A version of a layer. config is the whole wick.LayerVersion as JSON; the other
-- columns repeat what queries select by.
CREATE TABLE layer_versions (
    account       TEXT    NOT NULL,
    region        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    package_sha   TEXT    NOT NULL,
    package_bytes INTEGER NOT NULL,
    config        TEXT    NOT NULL,
    PRIMARY KEY (account, region, name, version),
    FOREIGN KEY (account, region, name) REFERENCES layers (account, region, name)
) STRICT;

-- An account's usage is read from this index alone.
CREATE INDEX layer_versions_usage ON layer_versions (account, region, package_bytes);
