-- The journal of one process: what it wrote down and the books may not have yet.
CREATE TABLE node (
    id        TEXT NOT NULL,            -- by which the books know this journal
    sequence  INTEGER NOT NULL,         -- where its chain ended when links were last taken out,
    hash      BLOB NOT NULL             -- and the hash there
) STRICT;

CREATE TABLE links (
    sequence  INTEGER PRIMARY KEY,
    body      TEXT NOT NULL,            -- JSON, exactly as it was hashed
    hash      BLOB NOT NULL
) STRICT;
