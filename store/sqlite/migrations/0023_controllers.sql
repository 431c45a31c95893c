-- What a daemon says of itself, as JSON, and whether it is to start nothing any more.
ALTER TABLE daemons ADD COLUMN machine TEXT;
ALTER TABLE daemons ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daemons ADD COLUMN said TEXT;
