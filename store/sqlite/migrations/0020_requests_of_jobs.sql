-- A key may also be that of a request that added a job, or requested a firing of one:
-- run_id is 0 then.
ALTER TABLE requests ADD COLUMN job_id INTEGER;
ALTER TABLE requests ADD COLUMN firing_id INTEGER;
