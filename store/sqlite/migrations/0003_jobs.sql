-- Jobs, and what becomes of their instants. Rows about a job outlive it; the
-- number of a job, a firing, a message or a daemon is never used again.

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    version    INTEGER NOT NULL,                     -- counts the changes, from 1
    spec       TEXT NOT NULL,                        -- JSON
    paused     INTEGER NOT NULL,
    cursor     TEXT NOT NULL,                        -- the last instant that was decided
    failures   INTEGER NOT NULL DEFAULT 0,           -- ends in a row that were not ok
    alarm      TEXT,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;

CREATE TABLE job_changes (
    job_id  INTEGER NOT NULL,
    version INTEGER NOT NULL,
    job     TEXT NOT NULL,
    at      TEXT NOT NULL,
    user    TEXT NOT NULL,
    what    TEXT NOT NULL CHECK (what IN ('added', 'changed', 'paused', 'resumed', 'removed')),
    spec    TEXT NOT NULL,
    PRIMARY KEY (job_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_changes_job ON job_changes (job);

-- The processes that carry out firings. Each holds a lock for as long as it
-- lives; see FILE.lock.
CREATE TABLE daemons (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pid        INTEGER NOT NULL,
    serves     INTEGER NOT NULL,                     -- 0: it carries out what it asked for itself, and ends
    started_at TEXT NOT NULL
) STRICT;

-- One row for each instant that was decided, except that instants missed in a
-- row share one. What makes an instant unique is what makes it fire once.
CREATE TABLE firings (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL,
    job          TEXT NOT NULL,
    scheduled_at TEXT,                               -- NULL: out of turn, a repetition, or a row of instants
    due_at       TEXT,
    moved        TEXT,                               -- why it is at another local time than the schedule names
    decision     TEXT NOT NULL CHECK (decision IN ('run', 'queued', 'skipped', 'missed', 'failed')),
    reason       TEXT,
    run_id       INTEGER,                            -- may outlive the run it names
    count        INTEGER NOT NULL DEFAULT 1,
    more         INTEGER NOT NULL DEFAULT 0,         -- 1: there were more than count
    first_at     TEXT,
    last_at      TEXT,
    decided_at   TEXT NOT NULL,
    requested_by TEXT,
    waited       INTEGER NOT NULL DEFAULT 0,         -- 1: it was queued at first
    repeats      INTEGER,                            -- a run that was cut off
    daemon_id    INTEGER,                            -- who may begin it; NULL: whoever claims it
    settled_at   TEXT,                               -- NULL: it has not come to its end, or nobody was told
    UNIQUE (job_id, scheduled_at)
) STRICT;

CREATE INDEX firings_open ON firings (job_id, id) WHERE settled_at IS NULL;
CREATE INDEX firings_job ON firings (job, id);
CREATE INDEX firings_run ON firings (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX firings_gap ON firings (job_id, last_at) WHERE first_at IS NOT NULL;

-- What is still to be told, once for each receiver.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    firing_id  INTEGER NOT NULL REFERENCES firings (id) ON DELETE CASCADE,
    occasion   TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('webhook', 'command')),
    target     TEXT NOT NULL,
    secret     TEXT,                                 -- the file with the key, not the key
    message    TEXT NOT NULL,                        -- JSON
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at     TEXT NOT NULL
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at);
CREATE INDEX outbox_firing ON outbox (firing_id);

-- One row for each attempt to tell somebody.
CREATE TABLE notifications (
    id        INTEGER PRIMARY KEY,
    firing_id INTEGER NOT NULL REFERENCES firings (id) ON DELETE CASCADE,
    at        TEXT NOT NULL,
    occasion  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    target    TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    error     TEXT
) STRICT;

CREATE INDEX notifications_firing ON notifications (firing_id);

ALTER TABLE runs ADD COLUMN kill_at TEXT;
ALTER TABLE runs ADD COLUMN kill_by TEXT;
ALTER TABLE runs ADD COLUMN replaced_by INTEGER;     -- a firing that waits for its end
ALTER TABLE runs ADD COLUMN recorded_bytes INTEGER NOT NULL DEFAULT 0;

-- With what it takes to say what the runs of a job cost.
CREATE INDEX runs_job ON runs (job_id, id, recorded_bytes, hosts) WHERE job_id IS NOT NULL;
CREATE INDEX runs_replaced ON runs (replaced_by) WHERE replaced_by IS NOT NULL;
