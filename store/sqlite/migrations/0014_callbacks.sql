-- Whom a submitted run is told to when it has ended.

CREATE TABLE callbacks (
    run_id   INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    task     TEXT NOT NULL,                          -- what the client calls the run
    target   TEXT NOT NULL,                          -- the URL; without its path once it is done with
    set_by   TEXT NOT NULL,                          -- whose secret signs
    due_at   TEXT,                                   -- NULL: the run goes on, or it is done with
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT,                                   -- of the last attempt; NULL: it arrived, or there was none
    done_at  TEXT                                    -- when it had arrived, or was given up
) STRICT;

CREATE INDEX callbacks_due ON callbacks (due_at) WHERE due_at IS NOT NULL;
