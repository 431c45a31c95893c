package tables

import (
	"context"
	"database/sql"
	"encoding/json"

	"tutti/scheduler"
	"tutti/store"
)

// JobChanges returns the changes of all jobs that have or had the name, newest first.
func JobChanges(ctx context.Context, c Reader, name string) ([]store.JobChange, error) {
	return All(ctx, c, scanJobChange, `
		SELECT job_id, version, at, "user", what, spec FROM job_changes WHERE job = ? ORDER BY job_id DESC, version DESC`, name)
}

func scanJobChange(rows Rows) (c store.JobChange, err error) {
	var at sql.NullString
	var spec string
	if err := rows.Scan(&c.JobID, &c.Version, &at, &c.User, &c.What, &spec); err != nil {
		return c, err
	}
	if c.At, err = ParseTime(at); err != nil {
		return c, err
	}
	c.Spec = json.RawMessage(spec)
	var job scheduler.Job
	if json.Unmarshal(c.Spec, &job) == nil {
		job.Version = c.Version
		c.Job = &job
	}
	return c, nil
}
