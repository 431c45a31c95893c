PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO runs VALUES(1,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,1,'backup','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z','{"policy":{"fanout":8}}',NULL,0,2,0,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(2,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,1,'backup','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z','{"policy":{"fanout":8}}',NULL,1,1,1,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(3,'job','uptime','web',NULL,NULL,'','2026-11-30T09:15:14.074Z',NULL,'running','none',2,NULL,NULL,1,'backup','2026-11-21T12:06:00.000Z','2026-11-21T12:06:00.000Z','{"policy":{"fanout":8}}',NULL,0,0,0,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(4,'job','uptime','web',NULL,NULL,'','2026-11-30T09:15:14.083Z',NULL,'running','none',2,NULL,NULL,2,'sweep','2026-11-21T12:05:00.000Z','2026-11-21T12:05:00.000Z','{"policy":{"fanout":8}}',NULL,0,0,0,0,0,0,0,0,'2026-11-21T12:06:00.000Z','job sweep',6,0,0);
INSERT INTO runs VALUES(5,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,3,'report','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z','{"policy":{"fanout":8}}',NULL,1,0,2,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(6,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','kill',2,NULL,NULL,3,'report','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z','{"policy":{"fanout":8}}',NULL,0,1,0,0,0,0,1,0,'2026-11-21T12:04:00.000Z','ann',NULL,0,0);
INSERT INTO runs VALUES(7,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,5,'paused','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z','{"policy":{"fanout":8}}',NULL,0,2,0,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(8,'job','uptime','web',NULL,NULL,'','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',2,NULL,NULL,6,'gone','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z','{"policy":{"fanout":8}}',NULL,1,1,1,0,0,0,0,0,NULL,NULL,NULL,0,0);
INSERT INTO runs VALUES(9,'cli','uptime','web',NULL,'by hand','ann','2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.100Z','finished','none',1,NULL,NULL,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,0,1,0,0,0,0,0,0,NULL,NULL,NULL,4,1);
INSERT INTO runs VALUES(10,'cli','uptime','web',NULL,NULL,'bob','2026-11-30T09:15:14.119Z',NULL,'running','none',2,NULL,NULL,NULL,NULL,NULL,NULL,'{"policy":{"fanout":8}}',NULL,0,0,0,0,0,0,0,0,NULL,NULL,NULL,0,1);
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
INSERT INTO results VALUES(1,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(1,1,'b','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(2,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(2,1,'b','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(3,0,'a','192.0.2.1:22',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,'2026-11-30T09:15:14.077Z',NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(3,1,'b',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(4,0,'a','192.0.2.1:22',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,'2026-11-30T09:15:14.084Z',NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(4,1,'b',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(5,0,'a','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(5,1,'b','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(6,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(6,1,'b','10.0.0.1:22','canceled',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(7,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(7,1,'b','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(8,0,'a','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(8,1,'b','10.0.0.1:22','failed',1,1,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,0,0,0,'2dba5dbc339e7316aea2683faf839c1b',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(9,0,'host00000','10.0.0.1:22','ok',1,0,NULL,NULL,NULL,NULL,1,1,'2026-03-01T12:00:00.000Z','2026-03-01T12:00:00.001Z','2026-03-01T12:00:00.010Z','2026-03-01T12:00:00.050Z',1,2,3,6,40,4,0,0,'7cf6be0c3cf2c9cacfd903282c7071c2',NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(10,0,'a','192.0.2.1:22',NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,'2026-11-30T09:15:14.120Z',NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO results VALUES(10,1,'b',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
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
) STRICT;
INSERT INTO output VALUES(9,'host00000',1,'stdout',1,'2026-03-01T12:00:00.020Z','plain',X'6f75740a');
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
INSERT INTO jobs VALUES(1,'backup',1,'{"name":"backup","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":true,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}',0,'2026-11-21T12:06:00.000Z',1,'the clock was put back','2026-11-21T12:00:00.000Z','ann');
INSERT INTO jobs VALUES(2,'sweep',1,'{"name":"sweep","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"replace","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}',0,'2026-11-21T12:06:00.000Z',0,NULL,'2026-11-21T12:00:00.000Z','ann');
INSERT INTO jobs VALUES(3,'report',1,'{"name":"report","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"allow","max_running":4,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}',0,'2026-11-21T12:04:00.000Z',0,NULL,'2026-11-21T12:00:00.000Z','ann');
INSERT INTO jobs VALUES(4,'broken',1,'{"name":"broken","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}',0,'2026-11-21T12:01:00.000Z',0,NULL,'2026-11-21T12:00:00.000Z','ann');
INSERT INTO jobs VALUES(5,'paused',2,'{"name":"paused","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":true,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}',1,'2026-11-21T12:01:00.000Z',0,NULL,'2026-11-21T12:02:00.000Z','bob');
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
INSERT INTO job_changes VALUES(1,1,'backup','2026-11-21T12:00:00.000Z','ann','added','{"name":"backup","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":true,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(2,1,'sweep','2026-11-21T12:00:00.000Z','ann','added','{"name":"sweep","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"replace","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(3,1,'report','2026-11-21T12:00:00.000Z','ann','added','{"name":"report","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"allow","max_running":4,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(4,1,'broken','2026-11-21T12:00:00.000Z','ann','added','{"name":"broken","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(5,1,'paused','2026-11-21T12:00:00.000Z','ann','added','{"name":"paused","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(5,2,'paused','2026-11-21T12:02:00.000Z','bob','paused','{"name":"paused","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":true,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(6,1,'gone','2026-11-21T12:00:00.000Z','ann','added','{"name":"gone","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
INSERT INTO job_changes VALUES(6,2,'gone','2026-11-21T12:02:00.000Z','ann','removed','{"name":"gone","schedule":"* * * * *","seconds":false,"zone":"Europe/Berlin","selector":"web","command":"uptime","overlap":"skip","max_running":3,"grace":"1m","catch_up":"latest","jitter":"0s","tutti_env":false,"idempotent":false,"paused":false,"notify":{"on":["failure","recovery","missed"],"webhook":"https://example.com/hook","command":"mail"},"deadline":"1d"}');
CREATE TABLE daemons (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pid        INTEGER NOT NULL,
    serves     INTEGER NOT NULL,                     -- 0: it carries out what it asked for itself, and ends
    started_at TEXT NOT NULL
) STRICT;
INSERT INTO daemons VALUES(1,4711,1,'2026-11-21T12:00:00.000Z');
INSERT INTO daemons VALUES(2,4711,0,'2026-11-21T12:05:00.000Z');
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
    settled_at   TEXT, caught_up INTEGER NOT NULL DEFAULT 0,                               -- NULL: it has not come to its end, or nobody was told
    UNIQUE (job_id, scheduled_at)
) STRICT;
INSERT INTO firings VALUES(1,1,'backup','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'run',NULL,1,1,0,NULL,NULL,'2026-11-21T12:01:00.000Z',NULL,0,NULL,1,'2026-11-21T12:01:00.000Z',0);
INSERT INTO firings VALUES(2,1,'backup','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z',NULL,'run',NULL,2,1,0,NULL,NULL,'2026-11-21T12:02:00.000Z',NULL,0,NULL,1,'2026-11-21T12:02:00.000Z',0);
INSERT INTO firings VALUES(3,1,'backup',NULL,NULL,NULL,'missed','late',NULL,3,0,'2026-11-21T12:03:00.000Z','2026-11-21T12:05:00.000Z','2026-11-21T12:05:00.000Z',NULL,0,NULL,NULL,'2026-11-21T12:05:00.000Z',0);
INSERT INTO firings VALUES(4,1,'backup','2026-11-21T12:06:00.000Z','2026-11-21T12:06:00.000Z',NULL,'run',NULL,3,1,0,NULL,NULL,'2026-11-21T12:06:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(5,2,'sweep','2026-11-21T12:05:00.000Z','2026-11-21T12:05:00.000Z',NULL,'run',NULL,4,1,0,NULL,NULL,'2026-11-21T12:05:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(6,2,'sweep','2026-11-21T12:06:00.000Z','2026-11-21T12:06:00.000Z',NULL,'queued','an earlier firing is being stopped',NULL,1,0,NULL,NULL,'2026-11-21T12:06:00.000Z',NULL,1,NULL,NULL,NULL,0);
INSERT INTO firings VALUES(7,3,'report','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'run',NULL,5,1,0,NULL,NULL,'2026-11-21T12:03:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(8,3,'report','2026-11-21T12:02:00.000Z','2026-11-21T12:02:00.000Z',NULL,'run',NULL,6,1,0,NULL,NULL,'2026-11-21T12:03:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(9,3,'report','2026-11-21T12:03:00.000Z','2026-11-21T12:03:00.000Z',NULL,'run',NULL,NULL,1,0,NULL,NULL,'2026-11-21T12:03:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(10,4,'broken','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'failed','no host matches web',NULL,1,0,NULL,NULL,'2026-11-21T12:01:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(11,5,'paused','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'run',NULL,7,1,0,NULL,NULL,'2026-11-21T12:01:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(12,5,'paused',NULL,'2026-11-21T12:05:00.000Z',NULL,'run',NULL,NULL,1,0,NULL,NULL,'2026-11-21T12:05:00.000Z','bob',0,NULL,2,NULL,0);
INSERT INTO firings VALUES(13,6,'gone','2026-11-21T12:01:00.000Z','2026-11-21T12:01:00.000Z',NULL,'run',NULL,8,1,0,NULL,NULL,'2026-11-21T12:01:00.000Z',NULL,0,NULL,1,NULL,0);
INSERT INTO firings VALUES(14,4,'broken',NULL,'2026-11-21T12:05:00.000Z',NULL,'run',NULL,NULL,1,0,NULL,NULL,'2026-11-21T12:05:00.000Z','bob',0,NULL,NULL,NULL,0);
INSERT INTO firings VALUES(15,3,'report','2026-11-21T12:04:00.000Z','2026-11-21T12:04:00.000Z',NULL,'run',NULL,NULL,1,0,NULL,NULL,'2026-11-21T12:04:00.000Z',NULL,0,NULL,NULL,NULL,0);
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
INSERT INTO outbox VALUES(1,2,'failure','webhook','https://example.com/hook',NULL,'{"id":1,"schema":1,"type":"failure","time":"2026-03-01T12:00:00.1Z","job":"backup","machine":"controller","firing":2,"decision":"run","scheduled_at":"2026-11-21T12:02:00Z","due_at":"2026-11-21T12:02:00Z","run":2,"state":"finished","stopped":"none","started_at":"2026-03-01T12:00:00Z","ended_at":"2026-03-01T12:00:00.1Z","duration_ms":100,"selector":"web","command":"uptime","hosts":2,"counts":{"failed":1,"ok":1},"hosts_failed":[{"host":"b","outcome":"failed","exit_code":1}],"failures":1}',1,'2026-11-21T12:06:00.000Z');
INSERT INTO outbox VALUES(3,3,'missed','webhook','https://example.com/hook',NULL,'{"id":3,"schema":1,"type":"missed","time":"2026-11-21T12:05:00Z","job":"backup","machine":"controller","firing":3,"decision":"missed","reason":"late","selector":"web","command":"uptime","failures":1,"missed":3,"missed_first":"2026-11-21T12:03:00Z","missed_last":"2026-11-21T12:05:00Z"}',0,'2026-11-21T12:05:00.000Z');
INSERT INTO outbox VALUES(4,3,'missed','command','mail',NULL,'{"id":3,"schema":1,"type":"missed","time":"2026-11-21T12:05:00Z","job":"backup","machine":"controller","firing":3,"decision":"missed","reason":"late","selector":"web","command":"uptime","failures":1,"missed":3,"missed_first":"2026-11-21T12:03:00Z","missed_last":"2026-11-21T12:05:00Z"}',0,'2026-11-21T12:05:00.000Z');
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
INSERT INTO notifications VALUES(1,2,'2026-11-21T12:02:00.000Z','failure','webhook','https://example.com/…',1,'refused');
INSERT INTO notifications VALUES(2,2,'2026-11-21T12:02:00.000Z','failure','command','mail',1,NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('daemons',2);
INSERT INTO sqlite_sequence VALUES('jobs',6);
INSERT INTO sqlite_sequence VALUES('firings',15);
INSERT INTO sqlite_sequence VALUES('runs',10);
INSERT INTO sqlite_sequence VALUES('outbox',4);
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
COMMIT;
PRAGMA application_id = 1953854580;
PRAGMA user_version = 5;
