package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tutti/internal/yamltree"
	"tutti/scheduler"
	"tutti/store"
)

// JobChanges are the changes of the jobs that have or had the name, newest
// first. The error is a *NoJobError if there never was one.
func (h *History) JobChanges(ctx context.Context, name string) ([]store.JobChange, error) {
	changes, err := jobChanges(ctx, h.r, name)
	if err == nil && len(changes) == 0 {
		err = noJob(ctx, h.r, name)
	}
	return changes, h.fault("read", err)
}

func jobChanges(ctx context.Context, q queryer, name string) ([]store.JobChange, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT job_id, version, at, user, what, spec FROM job_changes WHERE job = ? ORDER BY job_id DESC, version DESC`, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var changes []store.JobChange
	for rows.Next() {
		var c store.JobChange
		var at sql.NullString
		var spec string
		if err := rows.Scan(&c.JobID, &c.Version, &at, &c.User, &c.What, &spec); err != nil {
			return nil, err
		}
		if c.At, err = parseTime(at); err != nil {
			return nil, err
		}
		c.Spec = json.RawMessage(spec)
		var job scheduler.Job
		if json.Unmarshal(c.Spec, &job) == nil {
			job.Version = c.Version
			c.Job = &job
		}
		changes = append(changes, c)
	}
	return changes, rows.Err()
}

// Job returns the job of that name. The error is a *NoJobError if there is none.
func (l *Ledger) Job(ctx context.Context, name string) (scheduler.Kept, error) {
	kept, err := l.states.jobByName(ctx, l.r, name)
	if errors.Is(err, sql.ErrNoRows) {
		err = noJob(ctx, l.r, name)
	}
	return kept, l.fault("read", err)
}

func noJob(ctx context.Context, q queryer, name string) error {
	names, err := column[string](ctx, q, "SELECT name FROM jobs ORDER BY name")
	if err != nil {
		return err
	}
	return &store.NoJobError{Name: name, Nearest: yamltree.Nearest(name, names)}
}

// Kept returns all jobs, by name. A job that cannot be read any more is among
// them, see [scheduler.Kept].
func (l *Ledger) Kept(ctx context.Context) ([]scheduler.Kept, error) {
	jobs, err := l.states.selectJobs(ctx, l.r, " ORDER BY name")
	return jobs, l.fault("read", err)
}

// jobByName and jobByID return sql.ErrNoRows if there is no such job.
func (s *states) jobByName(ctx context.Context, q queryer, name string) (scheduler.Kept, error) {
	return oneJob(s.selectJobs(ctx, q, " WHERE name = ?", name))
}

func (s *states) jobByID(ctx context.Context, q queryer, id int64) (scheduler.Kept, error) {
	return oneJob(s.selectJobs(ctx, q, " WHERE id = ?", id))
}

func oneJob(jobs []scheduler.Kept, err error) (scheduler.Kept, error) {
	if err == nil && len(jobs) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return scheduler.Kept{}, err
	}
	return jobs[0], nil
}

func (s *states) selectJobs(ctx context.Context, q queryer, where string, args ...any) ([]scheduler.Kept, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT id, name, version, spec, paused, cursor, failures, failing_since, alarm, updated_at, updated_by FROM jobs`+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var jobs []scheduler.Kept
	for rows.Next() {
		k, err := s.scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, k)
	}
	return jobs, rows.Err()
}

func (s *states) scanJob(rows *sql.Rows) (k scheduler.Kept, err error) {
	var name, spec string
	var version int64
	var paused bool
	var cursor, updated, since, alarm sql.NullString
	if err := rows.Scan(&k.ID, &name, &version, &spec, &paused, &cursor, &k.Streak.Failures, &since, &alarm, &updated, &k.UpdatedBy); err != nil {
		return k, err
	}
	k.Job, k.Broken = s.specs.job(k.ID, spec)
	// These have columns of their own, which count.
	k.Name, k.Version, k.Paused, k.Alarm = name, version, paused, alarm.String
	if k.Cursor, err = parseTime(cursor); err != nil {
		k.Broken = errors.Join(k.Broken, fmt.Errorf("cursor: %w", err))
	}
	if k.Streak.Since, err = parseTime(since); err != nil {
		k.Broken = errors.Join(k.Broken, fmt.Errorf("failing_since: %w", err))
	}
	if k.UpdatedAt, err = parseTime(updated); err != nil {
		k.Broken = errors.Join(k.Broken, fmt.Errorf("updated_at: %w", err))
	}
	return k, nil
}
