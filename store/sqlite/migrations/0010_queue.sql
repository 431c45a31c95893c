-- Runs that were submitted and wait for a daemon. Their rows and those of their hosts
-- are there from then on.

ALTER TABLE runs ADD COLUMN principal TEXT;          -- who submitted it
ALTER TABLE runs ADD COLUMN via TEXT;                -- which way
ALTER TABLE runs ADD COLUMN daemon_id INTEGER;       -- which executes it; NULL: no daemon
ALTER TABLE runs ADD COLUMN reason TEXT;             -- why it was not started

-- Only the CHECK changes: the rows, and those that refer to them, stay where they are.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN (''running''', 'CHECK (state IN (''queued'', ''running''')
    WHERE type = 'table' AND name = 'runs';
PRAGMA writable_schema = RESET;

DROP INDEX runs_last;
CREATE INDEX runs_last ON runs (user, id) WHERE state IN ('finished', 'interrupted') AND by_hand = 1;

-- One row for each run that is submitted and has not ended.
CREATE TABLE queue (
    run_id     INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    priority   INTEGER NOT NULL,                     -- the highest is first, then the oldest
    queued_at  TEXT NOT NULL,
    request    TEXT NOT NULL,                        -- JSON; holds no secret
    secrets_of INTEGER,                              -- the daemon that alone has its secrets
    daemon_id  INTEGER,                              -- the daemon that has claimed it
    claim      INTEGER NOT NULL DEFAULT 0,           -- counts the claims
    deaths     INTEGER NOT NULL DEFAULT 0            -- of daemons that had claimed it
) STRICT;

CREATE INDEX queue_order ON queue (priority DESC, run_id);

-- The keys of submissions, so that one that is sent again is not taken again.
CREATE TABLE requests (
    principal TEXT NOT NULL,
    key       TEXT NOT NULL,
    body_mac  BLOB NOT NULL,
    at        TEXT NOT NULL,
    run_id    INTEGER NOT NULL,                      -- may outlive the run it names
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_at ON requests (at);
