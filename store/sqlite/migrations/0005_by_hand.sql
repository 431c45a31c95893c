-- "last" means the newest run of a user that is not running any more, cut off or
-- not: also one of a job that was run by hand, but no firing of a daemon.

ALTER TABLE runs ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 1;
UPDATE runs SET by_hand = 0 WHERE source = 'job';

DROP INDEX runs_last;
CREATE INDEX runs_last ON runs (user, id) WHERE state <> 'running' AND by_hand = 1;
