-- Passages of documents that have a vector for each: which bytes of the text a passage is. A document's passages have ids one
-- behind the other, and the last of them is the document's own; so they are found from there, downwards. A document without
-- passages has the one vector of its own id. Files of format 1 have no documents with passages.
CREATE TABLE passages (
    id         INTEGER PRIMARY KEY,
    document   INTEGER NOT NULL,
    start_byte INTEGER NOT NULL,
    end_byte   INTEGER NOT NULL
) STRICT;

-- A vector may now be a passage's: it no longer refers to a document. This is how SQLite has a constraint dropped without writing
-- the table anew (lang_altertable.html, "Making Other Kinds Of Table Schema Changes"); the table above has others read the schema again.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, ' REFERENCES documents (id)', '') WHERE type = 'table' AND name = 'vectors';
PRAGMA writable_schema = RESET;
