-- Of which ends a callback tells, "failure" or "always", as a message about a run; NULL:
-- of each, in the form of an answer.
ALTER TABLE callbacks ADD COLUMN told_of TEXT;
