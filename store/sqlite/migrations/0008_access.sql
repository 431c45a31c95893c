-- Who may do what. The number of a user or a token is never used again. Of secrets
-- there are hashes only.

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
    owner      INTEGER REFERENCES users (id) ON DELETE CASCADE, -- NULL: none
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

CREATE INDEX tokens_owner ON tokens (owner) WHERE owner IS NOT NULL;

CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY,                     -- SHA-256
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    used_at    TEXT NOT NULL,                        -- to the minute
    remote     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_user ON sessions (user_id);

-- A user has one at most.
CREATE TABLE login_links (
    user_id    INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL UNIQUE,                 -- SHA-256
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- What servers with open streams look at: it grows with each change of a right.
CREATE TABLE access_state (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO access_state (id, revision) VALUES (1, 1);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    actor   TEXT,                                    -- NULL: unknown
    via     TEXT,
    remote  TEXT,
    action  TEXT NOT NULL,
    object  TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    before  TEXT,                                    -- JSON
    after   TEXT,                                    -- JSON
    request TEXT
) STRICT;

CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_object ON audit (object, id);
CREATE INDEX audit_actor ON audit (actor, id);

-- The audit is added to, and forgets after a year.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END;

CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit is not changed'); END;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit WHEN OLD.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-365 days')
BEGIN SELECT RAISE(ABORT, 'the audit is kept for a year'); END;
