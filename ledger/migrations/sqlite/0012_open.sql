-- Holds that nobody settled, of each journal: 24 bytes for each, its exchange and its number. Those in
-- `open_holds` are of earlier versions; none is added there any more.
CREATE TABLE open (
    node   TEXT PRIMARY KEY NOT NULL,
    holds  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
