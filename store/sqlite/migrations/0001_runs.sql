-- Times are RFC 3339 in UTC with milliseconds, always of the same width, so
-- that the order of the text is the order of the times.

CREATE TABLE runs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- a pruned number is never used again
    source       TEXT NOT NULL,
    command      TEXT NOT NULL,
    selector     TEXT NOT NULL,
    inventory    TEXT,
    note         TEXT,
    user         TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    ended_at     TEXT,
    state        TEXT NOT NULL CHECK (state IN ('running', 'finished', 'interrupted')),
    stopped      TEXT NOT NULL DEFAULT 'none',
    hosts        INTEGER NOT NULL,
    exit_code    INTEGER,
    rerun_of     INTEGER,                            -- may outlive the run it names
    job_id       INTEGER,
    job          TEXT,
    scheduled_at TEXT,
    due_at       TEXT,
    plan         TEXT NOT NULL,
    spent_by     TEXT,
    remote_code  INTEGER NOT NULL DEFAULT 0,
    -- How many hosts have ended with each outcome, kept here so that a list of
    -- runs never counts results.
    ok           INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    timeout      INTEGER NOT NULL DEFAULT 0,
    lost         INTEGER NOT NULL DEFAULT 0,
    unreachable  INTEGER NOT NULL DEFAULT 0,
    canceled     INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX runs_started ON runs (started_at);
CREATE INDEX runs_running ON runs (id) WHERE state = 'running';
CREATE INDEX runs_last ON runs (user, id) WHERE state = 'finished' AND source <> 'job';

-- One row for each host of a run from its beginning; outcome is NULL until the
-- host has ended. Everything but attempts is about the last attempt.
CREATE TABLE results (
    run_id          INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,                -- in the order of the plan, from 0
    host            TEXT NOT NULL,
    address         TEXT,
    outcome         TEXT,
    started         INTEGER NOT NULL DEFAULT 0,
    exit_code       INTEGER,
    signal          TEXT,
    error_op        TEXT,
    error           TEXT,
    remote_state    TEXT,
    output_complete INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    queued_at       TEXT,
    begun_at        TEXT,
    started_at      TEXT,
    ended_at        TEXT,
    resolve_ms      INTEGER,
    dial_ms         INTEGER,
    login_ms        INTEGER,
    connect_ms      INTEGER,
    duration_ms     INTEGER,
    stdout_bytes    INTEGER NOT NULL DEFAULT 0,
    stderr_bytes    INTEGER NOT NULL DEFAULT 0,
    omitted_bytes   INTEGER NOT NULL DEFAULT 0,
    output_hash     TEXT,
    signal_message  TEXT,
    core            INTEGER,
    final           INTEGER,
    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX results_host ON results (host, run_id);

-- The attempts before the last one.
CREATE TABLE attempts (
    run_id          INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    host            TEXT NOT NULL,
    attempt         INTEGER NOT NULL,                -- from 1
    address         TEXT,
    outcome         TEXT NOT NULL,
    started         INTEGER NOT NULL,
    exit_code       INTEGER,
    signal          TEXT,
    error_op        TEXT,
    error           TEXT,
    remote_state    TEXT,
    output_complete INTEGER,
    queued_at       TEXT,
    begun_at        TEXT,
    started_at      TEXT,
    ended_at        TEXT,
    resolve_ms      INTEGER,
    dial_ms         INTEGER,
    login_ms        INTEGER,
    connect_ms      INTEGER,
    duration_ms     INTEGER,
    stdout_bytes    INTEGER NOT NULL,
    stderr_bytes    INTEGER NOT NULL,
    omitted_bytes   INTEGER NOT NULL,
    output_hash     TEXT,
    signal_message  TEXT,
    core            INTEGER,
    final           INTEGER,
    delay_ms        INTEGER NOT NULL,                -- until the next attempt
    PRIMARY KEY (run_id, host, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE output (
    run_id  INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    host    TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stream  TEXT NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    seq     INTEGER NOT NULL,                        -- orders both streams of an attempt
    at      TEXT NOT NULL,
    codec   TEXT NOT NULL CHECK (codec IN ('plain', 'zstd', 'omitted')),
    data    ANY NOT NULL                             -- a BLOB; for 'omitted' how many bytes are missing here
) STRICT;

CREATE UNIQUE INDEX output_order ON output (run_id, host, attempt, seq);
