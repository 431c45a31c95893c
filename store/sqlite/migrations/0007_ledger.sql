-- What daemons agree on of each job, beside its row in jobs and its open firings. A
-- row outlives its job until the last of its firings has come to its end.

CREATE TABLE job_states (
    job_id   INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,                       -- grows with each change
    since    TEXT,                                   -- from when on all instants up to the cursor are decided
    ahead    TEXT                                    -- JSON: times beyond the cursor whose instants are decided
) STRICT;

-- What belongs to an open firing: whether its process waits for it at a terminal, the
-- instant of the run that it repeats, whether the end of a run that it replaces is
-- not proved, and, as JSON, how its own run ended.
ALTER TABLE firings ADD COLUMN attached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN repeats_at TEXT;
ALTER TABLE firings ADD COLUMN unproved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN ended TEXT;

INSERT INTO job_states (job_id, revision, since)
    SELECT id, 1, min(cursor, coalesce((SELECT max(at) FROM job_changes AS c WHERE c.job_id = jobs.id), cursor)) FROM jobs;
INSERT INTO job_states (job_id, revision)
    SELECT DISTINCT job_id, 1 FROM firings WHERE settled_at IS NULL AND job_id NOT IN (SELECT id FROM jobs);

-- Firings beyond the cursor are of a time before the clock was put back.
UPDATE job_states SET ahead = (
    SELECT json_array(json_object('from', j.cursor, 'to', max(coalesce(f.scheduled_at, f.last_at))))
    FROM firings AS f JOIN jobs AS j ON j.id = f.job_id
    WHERE f.job_id = job_states.job_id AND coalesce(f.scheduled_at, f.last_at) > j.cursor
    HAVING count(*) > 0);

UPDATE firings SET attached = 1
    WHERE settled_at IS NULL AND requested_by IS NOT NULL AND daemon_id NOT IN (SELECT id FROM daemons WHERE serves);
UPDATE firings SET repeats_at = (SELECT scheduled_at FROM runs WHERE runs.id = repeats)
    WHERE settled_at IS NULL AND repeats IS NOT NULL;
UPDATE firings SET unproved = 1
    WHERE settled_at IS NULL AND decision = 'queued' AND EXISTS (
        SELECT 1 FROM runs JOIN results ON run_id = runs.id
        WHERE replaced_by = firings.id AND state <> 'running' AND (outcome = 'lost' OR remote_state = 'unknown'));
