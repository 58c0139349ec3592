-- One row: what is true of the whole collection. `documents` counts the rows, so that counting costs nothing.
CREATE TABLE collection (
    only            INTEGER PRIMARY KEY CHECK (only = 1),
    config          TEXT    NOT NULL,
    dimension       INTEGER NOT NULL CHECK (dimension > 0),
    sequence        INTEGER NOT NULL DEFAULT 0,
    documents       INTEGER NOT NULL DEFAULT 0,
    seal_generation INTEGER,
    seal_file       TEXT,
    seal_kind       TEXT,
    seal_last_id    INTEGER,
    seal_sequence   INTEGER,
    seal_keeps      INTEGER
) STRICT;

-- AUTOINCREMENT: an id is never given twice, not even after its row is gone. A key holds the text of integers too;
-- `key_integer` says which kind it came as. Metadata is SQLite's JSONB: json(metadata) shows it. It comes before the text, so that a scan of the metadata of
-- documents with long texts need not follow their overflow pages.
CREATE TABLE documents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    key_integer INTEGER NOT NULL,
    metadata    BLOB    NOT NULL,
    text        TEXT
) STRICT;

-- Little-endian f32, in a table of their own: scans of the metadata don't read past them.
CREATE TABLE vectors (
    id     INTEGER PRIMARY KEY REFERENCES documents (id),
    vector BLOB    NOT NULL
) STRICT;

-- Ids that are gone, with the sequence of the write that took them: a sealed index may still hold them.
CREATE TABLE removed (
    id       INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;
