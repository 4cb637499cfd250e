-- What was decided for each request, and by which features: enough to explain it and to decide it
-- anew. No prompt, no answer.
CREATE TABLE decisions (
    number        INTEGER PRIMARY KEY,  -- in the order of writing
    at            INTEGER NOT NULL,     -- Unix milliseconds at which the request arrived
    request_id    TEXT NOT NULL,        -- callers may choose it, so it need not be unique
    organisation  TEXT NOT NULL,
    team          TEXT NOT NULL,
    app           TEXT NOT NULL,
    model         TEXT NOT NULL,        -- as the caller asked for it
    policy        TEXT NOT NULL,        -- the version that decided
    endpoint      TEXT,                 -- the one that answered, or was tried last; NULL if none was
    outcome       TEXT NOT NULL,        -- `answered`, `abandoned`, or the kind of failure
    usage         TEXT,                 -- JSON: tokens by bucket; NULL where none were used
    cost_pico     TEXT,                 -- pico-dollars; text, since they may exceed 64 bits
    features      TEXT NOT NULL         -- JSON, of the room that decides
) STRICT;
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX decisions_by_request ON decisions (request_id);

-- Counts the changes of `keys`, so that a running gateway notices them and nothing else.
CREATE TABLE key_changes (count INTEGER NOT NULL) STRICT;
INSERT INTO key_changes (count) VALUES (0);
CREATE TRIGGER key_made AFTER INSERT ON keys BEGIN UPDATE key_changes SET count = count + 1; END;
CREATE TRIGGER key_changed AFTER UPDATE ON keys BEGIN UPDATE key_changes SET count = count + 1; END;
CREATE TRIGGER key_removed AFTER DELETE ON keys BEGIN UPDATE key_changes SET count = count + 1; END;
