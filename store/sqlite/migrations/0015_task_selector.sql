-- On which hosts the tasks of a token run that name none; NULL: they have to name some.
ALTER TABLE tokens ADD COLUMN task_selector TEXT;
