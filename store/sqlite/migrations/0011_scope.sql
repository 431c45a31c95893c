-- Which hosts who changed the job last may use, as JSON; NULL: any. It is checked
-- whenever the job fires.
ALTER TABLE jobs ADD COLUMN scope TEXT;

-- A firing that may not run is refused. Only the CHECK changes: the rows, and those that
-- refer to them, stay where they are.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''missed'', ''failed'')', '''missed'', ''failed'', ''refused'')')
    WHERE type = 'table' AND name = 'firings';
PRAGMA writable_schema = RESET;
