-- Keys that callers present. Only the hash of a key is kept: a copy of this file opens no door.
CREATE TABLE keys (
    id          TEXT PRIMARY KEY NOT NULL,  -- the visible head of the key, `isk-` and eight characters
    name        TEXT NOT NULL UNIQUE,
    hash        BLOB NOT NULL UNIQUE,       -- SHA-256 of the whole key
    models      TEXT NOT NULL,              -- one allowed model a line; empty allows all
    created_at  INTEGER NOT NULL,           -- Unix seconds, as all times here
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT;
