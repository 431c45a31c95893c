-- The newest heartbeat of each host: a login that a daemon made, and no run.
CREATE TABLE heartbeats (
    host       TEXT PRIMARY KEY,
    at         TEXT NOT NULL,
    reached_at TEXT,                                 -- when it was last reached by one
    since      TEXT,                                 -- when the first failed after that; NULL: the newest reached it
    error_op   TEXT,                                 -- the step that failed
    error      TEXT
) STRICT, WITHOUT ROWID;
