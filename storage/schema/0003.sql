-- Clusterings saved under a name. `about` and `centroids` are the caller's; `sequence` is the write after which it was saved, and
-- `saved_at` the Unix time in seconds. An id is never given twice, so labels of a clustering that is gone fit no other.
CREATE TABLE clusterings (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    name      TEXT    NOT NULL UNIQUE,
    about     TEXT    NOT NULL,
    centroids BLOB    NOT NULL,
    sequence  INTEGER NOT NULL,
    saved_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE clusters (
    clustering INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT,
    about      TEXT    NOT NULL,
    PRIMARY KEY (clustering, number),
    UNIQUE (clustering, name)
) STRICT, WITHOUT ROWID;

-- The cluster of each document in each clustering. By document first: new documents go to the end, and those that leave are found.
CREATE TABLE labels (
    id         INTEGER NOT NULL,
    clustering INTEGER NOT NULL,
    cluster    INTEGER NOT NULL,
    distance   REAL    NOT NULL,
    PRIMARY KEY (id, clustering)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_by_cluster ON labels (clustering, cluster, id);
