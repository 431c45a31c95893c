-- Since when a job fails, and to which jobs a change of tutti's rules has to be
-- told: a schedule that gives a day of month and a day of week wants both, where
-- one of the two begins with *. 1: in the log of tutti serve, 2: in the list of jobs.

ALTER TABLE jobs ADD COLUMN failing_since TEXT;      -- NULL: it does not, or began before this was kept
ALTER TABLE jobs ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET untold = 3;
