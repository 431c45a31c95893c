-- The scripts that runs were submitted with, so that they can be repeated: they are in no
-- file of this machine.

CREATE TABLE scripts (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    codec  TEXT NOT NULL,                            -- as in output
    data   BLOB NOT NULL
) STRICT;
