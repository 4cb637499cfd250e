-- What was held, spent and corrected, for good: entries of one journal in their order, many to a page,
-- since a row for each would cost more than all else that the ledger does.
CREATE TABLE pages (
    node      TEXT NOT NULL,            -- the journal
    first     INTEGER NOT NULL,         -- the number of its first entry
    last      INTEGER NOT NULL,         -- and of its last; no page leaves a gap
    earliest  INTEGER NOT NULL,         -- Unix milliseconds
    latest    INTEGER NOT NULL,
    requests  BLOB NOT NULL,            -- 8 bytes of the hash of each request id in it
    frames    BLOB NOT NULL,            -- the entries, as `stores/sqlite/page.rs` says
    UNIQUE (node, first)
) STRICT;
CREATE INDEX pages_by_time ON pages (latest, earliest);

-- How far each journal was posted.
CREATE TABLE heads (
    node      TEXT PRIMARY KEY NOT NULL,
    sequence  INTEGER NOT NULL,
    hash      BLOB NOT NULL
) STRICT;

-- Holds that nobody settled.
CREATE TABLE open_holds (
    exchange  TEXT PRIMARY KEY NOT NULL,
    node      TEXT NOT NULL,
    body      TEXT NOT NULL             -- the hold, as JSON
) STRICT;

-- Sums by hour. They follow from the entries, and are kept so that reports need not read those.
CREATE TABLE dimensions (
    id    INTEGER PRIMARY KEY,
    body  TEXT NOT NULL UNIQUE          -- JSON: what the lines of a bucket have in common
) STRICT;
CREATE TABLE buckets (
    hour       INTEGER NOT NULL,        -- hours since 1970, UTC
    dimension  INTEGER NOT NULL REFERENCES dimensions (id),
    sums       TEXT NOT NULL,           -- JSON: tokens, and dollars as decimal text
    PRIMARY KEY (hour, dimension)
) STRICT, WITHOUT ROWID;

-- Every version of a price that something was charged at.
CREATE TABLE prices (
    id    TEXT PRIMARY KEY NOT NULL,
    body  TEXT NOT NULL
) STRICT;
