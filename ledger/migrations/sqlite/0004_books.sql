-- What was held, spent and corrected, for good; entries are only ever added.
CREATE TABLE entries (
    node        TEXT NOT NULL,          -- the journal that it was written in
    sequence    INTEGER NOT NULL,       -- its number there, without a gap
    exchange    TEXT NOT NULL,          -- which exchange it is about
    request_id  TEXT NOT NULL,          -- as the caller knows it; need not be unique
    at          INTEGER NOT NULL,       -- Unix milliseconds
    body        TEXT NOT NULL,          -- JSON, exactly as it was hashed
    hash        BLOB NOT NULL,          -- SHA-256 of the hash before, the number and the body
    UNIQUE (node, sequence)
) STRICT;
CREATE INDEX entries_by_request ON entries (request_id);
CREATE INDEX entries_by_exchange ON entries (exchange);
CREATE INDEX entries_by_time ON entries (at);

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
