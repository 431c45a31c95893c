-- Who paused a job, when, until when, and why; NULL: it is not paused, or that is not known.
ALTER TABLE jobs ADD COLUMN paused_by TEXT;
ALTER TABLE jobs ADD COLUMN paused_at TEXT;
ALTER TABLE jobs ADD COLUMN paused_until TEXT;
ALTER TABLE jobs ADD COLUMN paused_note TEXT;
