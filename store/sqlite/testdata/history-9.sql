PRAGMA foreign_keys=OFF;
BEGIN;
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
, kill_at TEXT, kill_by TEXT, replaced_by INTEGER, recorded_bytes INTEGER NOT NULL DEFAULT 0, by_hand INTEGER NOT NULL DEFAULT 1) STRICT;
INSERT INTO runs VALUES(1,'cli','uptime','web',NULL,'first','ann','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,1,1,1,0,0,0,0,0,NULL,NULL,NULL,10,1);
INSERT INTO runs VALUES(2,'rerun','uptime','web',NULL,NULL,'ann','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',1,NULL,1,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,0,1,0,0,0,0,0,0,NULL,NULL,NULL,4,1);
INSERT INTO runs VALUES(3,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,1,'backup','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z','{"policy":{"fanout":8}}',NULL,1,1,1,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(4,'job','uptime','web',NULL,NULL,'','2026-11-30T14:32:19.494Z',NULL,'running','none',2,NULL,NULL,1,'backup','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z','{"policy":{"fanout":8}}',NULL,0,0,0,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(5,'cli','uptime','web',NULL,NULL,'ann','2026-11-30T14:32:19.500Z',NULL,'running','none',2,NULL,NULL,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,0,0,0,0,0,0,0,0,'2026-11-21T12:03:00.000Z','eve',NULL,6,1);
INSERT INTO runs VALUES(6,'cli','uptime','web',NULL,NULL,'ann','2026-11-30T14:32:19.503Z','2026-11-30T14:32:19.503Z','interrupted','none',1,NULL,NULL,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,255,0,0,0,0,0,0,1,NULL,NULL,NULL,0,1);
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
    final           INTEGER, error_detail TEXT, error_hint TEXT,
    PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO results VALUES(1,0,'host00000','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,6,0,0,'38c5ca80a58ce6f351ca1c826a1618b9',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(1,1,'host00001','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,4,0,0,'281b87d808e2fe7d42d74605fa952410',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(2,0,'b','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,4,0,0,'0b53cd07d56c9d689bbe4f24a7cb0633',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(3,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(3,1,'b','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(4,0,'a','10.0.0.1:22',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,'2026-11-30T14:32:19.496Z',NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(4,1,'b',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(5,0,'a','10.0.0.1:22',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,'2026-11-30T14:32:19.501Z',NULL,NULL,NULL,NULL,NULL,NULL,6,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(5,1,'b',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(6,0,'c',NULL,'skipped',0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
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
    delay_ms        INTEGER NOT NULL, error_detail TEXT, error_hint TEXT,                -- until the next attempt
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
, start INTEGER) STRICT;
INSERT INTO output VALUES(1,'host00000',1,'stdout',1,'2026-03-01T12:00:00.020Z','plain',X'68656c6c6f0a',0);
INSERT INTO output VALUES(1,'host00001',1,'stdout',1,'2026-03-01T12:00:00.020Z','plain',X'216e6f0a',0);
INSERT INTO output VALUES(2,'b',1,'stdout',1,'2026-03-01T12:00:00.020Z','plain',X'6e6f770a',0);
INSERT INTO output VALUES(5,'a',1,'stdout',1,'2026-03-01T12:00:00.020Z','plain',X'626567756e0a',0);
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
, failing_since TEXT, untold INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO jobs VALUES(1,'backup',1,'{"name":"backup","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"deadline":"1d"}',0,'2026-11-21T12:02:00.000Z',0,NULL,'2026-11-21T12:00:00.000Z','ann',NULL,0);
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
INSERT INTO job_changes VALUES(1,1,'backup','2026-11-21T12:00:00.000Z','ann','added','{"name":"backup","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"deadline":"1d"}');
CREATE TABLE daemons (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pid        INTEGER NOT NULL,
    serves     INTEGER NOT NULL,                     -- 0: it carries out what it asked for itself, and ends
    started_at TEXT NOT NULL
) STRICT;
INSERT INTO daemons VALUES(1,4198,1,'2026-11-21T12:00:00.000Z');
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
    settled_at   TEXT, caught_up INTEGER NOT NULL DEFAULT 0, attached INTEGER NOT NULL DEFAULT 0, repeats_at TEXT, unproved INTEGER NOT NULL DEFAULT 0, ended TEXT,                               -- NULL: it has not come to its end, or nobody was told
    UNIQUE (job_id, scheduled_at)
) STRICT;
INSERT INTO firings VALUES(1,1,'backup','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'run',NULL,3,1,0,NULL,NULL,'2026-11-21T12:01:00.000Z',NULL,0,NULL,1,NULL,0,0,NULL,0,'{"run":3,"state":"finished","selector":"web","command":"uptime","summary":{"Counts":[1,1,0,0,0,0,0],"Hosts":2,"Stopped":0,"SpentBy":"","RemoteCode":1,"Started":"2026-03-01T12:00:00Z","Ended":"2026-03-01T12:00:00.1Z"},"hosts_failed":[{"host":"b","outcome":"failed","exit_code":1}]}');
INSERT INTO firings VALUES(2,1,'backup','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z',NULL,'run',NULL,4,1,0,NULL,NULL,'2026-11-21T12:02:00.000Z',NULL,0,NULL,1,NULL,0,0,NULL,0,NULL);
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
CREATE TABLE job_states (
    job_id   INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,                       -- grows with each change
    since    TEXT,                                   -- from when on all instants up to the cursor are decided
    ahead    TEXT                                    -- JSON: times beyond the cursor whose instants are decided
) STRICT;
INSERT INTO job_states VALUES(1,8,'2026-11-21T12:00:00.000Z',NULL);
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
    scope      TEXT,                                 -- a selector; NULL: all hosts
    password   TEXT,                                 -- argon2id with its parameters; NULL: none
    disabled   INTEGER NOT NULL DEFAULT 0,
    revision   INTEGER NOT NULL DEFAULT 1,           -- counts the changes
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    login_at   TEXT
) STRICT;
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    owner      INTEGER REFERENCES users (id) ON DELETE CASCADE, -- NULL: whoever can write this file
    hash       BLOB NOT NULL UNIQUE,                 -- SHA-256
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
    scope      TEXT,
    jobs       TEXT,                                 -- JSON; NULL: not limited to jobs
    users      TEXT,                                 -- JSON: whom it may log in as; NULL: as the inventory says
    sudo       INTEGER NOT NULL DEFAULT 0,
    allow_from TEXT,                                 -- JSON: networks; NULL: from anywhere
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at    TEXT,                                 -- to the hour
    refused_at TEXT                                  -- to the hour
) STRICT;
CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY,                     -- SHA-256
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    used_at    TEXT NOT NULL,                        -- to the minute
    remote     TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE login_links (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL UNIQUE,                 -- SHA-256
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE TABLE access_state (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO access_state VALUES(1,1);
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    actor   TEXT,                                    -- NULL: nobody knows
    via     TEXT,
    remote  TEXT,
    action  TEXT NOT NULL,
    object  TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    before  TEXT,                                    -- JSON
    after   TEXT,                                    -- JSON
    request TEXT
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('runs',6);
INSERT INTO sqlite_sequence VALUES('daemons',1);
INSERT INTO sqlite_sequence VALUES('jobs',1);
INSERT INTO sqlite_sequence VALUES('firings',2);
CREATE INDEX runs_started ON runs (started_at);
CREATE INDEX runs_running ON runs (id) WHERE state = 'running';
CREATE INDEX results_host ON results (host, run_id);
CREATE UNIQUE INDEX output_order ON output (run_id, host, attempt, seq);
CREATE INDEX job_changes_job ON job_changes (job);
CREATE INDEX firings_open ON firings (job_id, id) WHERE settled_at IS NULL;
CREATE INDEX firings_job ON firings (job, id);
CREATE INDEX firings_run ON firings (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX firings_gap ON firings (job_id, last_at) WHERE first_at IS NOT NULL;
CREATE INDEX outbox_due ON outbox (due_at);
CREATE INDEX outbox_firing ON outbox (firing_id);
CREATE INDEX notifications_firing ON notifications (firing_id);
CREATE INDEX runs_job ON runs (job_id, id, recorded_bytes, hosts) WHERE job_id IS NOT NULL;
CREATE INDEX runs_replaced ON runs (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX runs_last ON runs (user, id) WHERE state <> 'running' AND by_hand = 1;
CREATE INDEX tokens_owner ON tokens (owner) WHERE owner IS NOT NULL;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_object ON audit (object, id);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit WHEN OLD.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-365 days')
BEGIN SELECT RAISE(ABORT, 'the audit is kept for a year'); END;
COMMIT;
PRAGMA application_id = 1953854580;
PRAGMA user_version = 9;
