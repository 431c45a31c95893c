-- Hosts that runs leave out.
CREATE TABLE maintenance (
    host  TEXT PRIMARY KEY,
    until TEXT,                                      -- NULL: until it is taken back
    note  TEXT,
    by    TEXT NOT NULL,
    since TEXT NOT NULL
) STRICT;
