-- Which firings are late, and wait for one another.

ALTER TABLE firings ADD COLUMN caught_up INTEGER NOT NULL DEFAULT 0;
