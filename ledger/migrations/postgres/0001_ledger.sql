-- The ledger in PostgreSQL. Migrations only ever add, until no running program needs what they would
-- take away: gateways of two versions share this database while one replaces the other.

-- Keys that callers present. Only the hash of a key is kept: a copy of this table opens no door.
CREATE TABLE keys (
    number          BIGINT GENERATED ALWAYS AS IDENTITY,
    id              TEXT PRIMARY KEY,       -- the visible head of the key, `isk-` and eight characters
    name            TEXT NOT NULL UNIQUE,
    hash            BYTEA NOT NULL UNIQUE,  -- SHA-256 of the whole key
    models          TEXT NOT NULL,          -- one allowed model a line; empty allows all
    created_at      BIGINT NOT NULL,        -- Unix seconds, as all times of this table
    expires_at      BIGINT,
    revoked_at      BIGINT,
    organisation    TEXT,                   -- NULL here and below: the house's own defaults
    team            TEXT,
    app             TEXT,
    data_class      TEXT,                   -- the word for it
    may_declassify  BOOLEAN NOT NULL DEFAULT FALSE,
    tags            TEXT NOT NULL DEFAULT '{}'  -- JSON: what the operator marks its requests with
);

-- Counts the changes of `keys`, so that running gateways notice them and nothing else.
CREATE TABLE key_changes (count BIGINT NOT NULL);
INSERT INTO key_changes (count) VALUES (0);
CREATE FUNCTION count_key_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE key_changes SET count = count + 1; RETURN NULL; END';
CREATE TRIGGER key_changed AFTER INSERT OR UPDATE OR DELETE ON keys
    FOR EACH STATEMENT EXECUTE FUNCTION count_key_change();

-- What was decided for each request, and by which features. No prompt, no answer.
CREATE TABLE decisions (
    number        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- in the order of writing
    at            BIGINT NOT NULL,          -- Unix milliseconds at which the request arrived
    request_id    TEXT NOT NULL,            -- callers may choose it, so it need not be unique
    organisation  TEXT NOT NULL,
    team          TEXT NOT NULL,
    app           TEXT NOT NULL,
    model         TEXT NOT NULL,            -- as the caller asked for it
    policy        TEXT NOT NULL,            -- the version that decided
    endpoint      TEXT,                     -- the one that answered, or was tried last
    outcome       TEXT NOT NULL,            -- `answered`, `abandoned`, or the kind of failure
    usage         TEXT,                     -- JSON: tokens by bucket
    cost          DECIMAL(38, 12),          -- dollars
    features      TEXT NOT NULL             -- JSON, of the room that decides
);
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX decisions_by_request ON decisions USING hash (request_id);

-- What was held, spent and corrected, for good.
CREATE TABLE entries (
    node        TEXT NOT NULL,              -- the journal
    sequence    BIGINT NOT NULL,            -- from 1 in each journal, without a gap
    hash        BYTEA NOT NULL,             -- of the hash before, the number and the body
    at          BIGINT NOT NULL,            -- Unix milliseconds
    request_id  TEXT NOT NULL,
    body        TEXT NOT NULL,              -- JSON, exactly as it was hashed
    PRIMARY KEY (node, sequence)
);
CREATE INDEX entries_by_time ON entries (at);
CREATE INDEX entries_by_request ON entries USING hash (request_id) WHERE request_id <> '';

-- How far each journal was posted. Whoever posts locks its row.
CREATE TABLE heads (
    node      TEXT PRIMARY KEY,
    sequence  BIGINT NOT NULL,
    hash      BYTEA NOT NULL
);

-- Holds that nobody settled.
CREATE TABLE open_holds (
    exchange  TEXT PRIMARY KEY,
    node      TEXT NOT NULL,
    body      TEXT NOT NULL                 -- the hold, as JSON
);

-- Sums by hour. They follow from the entries, and are kept so that reports need not read those.
CREATE TABLE dimensions (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest  BYTEA NOT NULL UNIQUE,          -- SHA-256 of the body, which may be too long for an index
    body    TEXT NOT NULL                   -- JSON: what the lines of a bucket have in common
);
CREATE TABLE buckets (
    hour              BIGINT NOT NULL,      -- hours since 1970, UTC
    dimension         BIGINT NOT NULL REFERENCES dimensions (id),
    requests          BIGINT NOT NULL,
    attempts          BIGINT NOT NULL,
    uncached_input    BIGINT NOT NULL,      -- tokens, down to `unexplained`
    cache_read        BIGINT NOT NULL,
    cache_write_5m    BIGINT NOT NULL,
    cache_write_1h    BIGINT NOT NULL,
    audio_input       BIGINT NOT NULL,
    image_input       BIGINT NOT NULL,
    text_output       BIGINT NOT NULL,
    reasoning_output  BIGINT NOT NULL,
    audio_output      BIGINT NOT NULL,
    unexplained       BIGINT NOT NULL,
    unpriced          BIGINT NOT NULL,
    took_ms           BIGINT NOT NULL,
    compared          BIGINT NOT NULL,
    cost              DECIMAL(38, 12) NOT NULL,  -- dollars, as all below
    compared_cost     DECIMAL(38, 12) NOT NULL,
    cheapest_allowed  DECIMAL(38, 12) NOT NULL,
    cheapest          DECIMAL(38, 12) NOT NULL,
    based_cost        DECIMAL(38, 12) NOT NULL,
    baseline          DECIMAL(38, 12) NOT NULL,
    cache_avoided     DECIMAL(38, 12) NOT NULL,
    PRIMARY KEY (hour, dimension)
);

-- Every version of a price that something was charged at.
CREATE TABLE prices (
    id    TEXT PRIMARY KEY,
    body  TEXT NOT NULL
);
