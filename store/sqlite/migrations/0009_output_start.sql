-- Where a piece of output begins in its stream. NULL: it was recorded before this was
-- kept, and is the sum of what comes before it.

ALTER TABLE output ADD COLUMN start INTEGER;
