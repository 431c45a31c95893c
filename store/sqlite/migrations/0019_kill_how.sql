-- How a run is to be stopped. 'halt': no more hosts are started, and running commands go
-- on; 'end': they are stopped. NULL: no stop was requested.
ALTER TABLE runs ADD COLUMN kill_how TEXT CHECK (kill_how IN ('halt', 'end'));

UPDATE runs SET kill_how = 'end' WHERE kill_at IS NOT NULL;
