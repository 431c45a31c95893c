package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/internal/yamltree"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// JobChanges returns the changes of all jobs that have or had the name, newest first.
// The error is a *NoJobError if there never was one.
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
func (l *Ledger) Job(ctx context.Context, name string) (scheduler.StoredJob, error) {
	jobs, err := l.storedJobs(ctx, "SELECT id FROM jobs WHERE name = ?", name)
	if err == nil && len(jobs) == 0 {
		err = noJob(ctx, l.r, name)
	}
	if err != nil {
		return scheduler.StoredJob{}, l.fault("read", err)
	}
	return jobs[0], nil
}

func noJob(ctx context.Context, q queryer, name string) error {
	names, err := column[string](ctx, q, "SELECT name FROM jobs ORDER BY name")
	if err != nil {
		return err
	}
	return &store.NoJobError{Name: name, Nearest: yamltree.Nearest(name, names)}
}

// ListJobs returns all jobs, by name. A job that cannot be read any more is among
// them, see [scheduler.StoredJob].
func (l *Ledger) ListJobs(ctx context.Context) ([]scheduler.StoredJob, error) {
	jobs, err := l.storedJobs(ctx, "SELECT id FROM jobs ORDER BY name")
	return jobs, l.fault("read", err)
}

// storedJobs returns the jobs whose numbers a query selects, in its order. One whose
// state is damaged is broken.
func (l *Ledger) storedJobs(ctx context.Context, query string, args ...any) (jobs []scheduler.StoredJob, err error) {
	err = l.readTogether(ctx, func(q queryer) error {
		ids, err := column[int64](ctx, q, query, args...)
		if err != nil {
			return err
		}
		subjects, err := l.states.loadSubjects(ctx, q, ids)
		for i := range subjects {
			jobs = append(jobs, subjects[i].State.StoredJob)
		}
		return err
	})
	return jobs, err
}

// jobByID returns sql.ErrNoRows if there is no such job.
func (s *states) jobByID(ctx context.Context, q queryer, id int64) (scheduler.StoredJob, error) {
	jobs, err := s.selectJobs(ctx, q, " WHERE id = ?", id)
	if err == nil && len(jobs) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return scheduler.StoredJob{}, err
	}
	return jobs[0], nil
}

func (s *states) selectJobs(ctx context.Context, q queryer, where string, args ...any) ([]scheduler.StoredJob, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT id, name, version, spec, paused, cursor, failures, failing_since, alarm, updated_at, updated_by, scope, webhook_by,
			paused_by, paused_at, paused_until, paused_note FROM jobs`+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var jobs []scheduler.StoredJob
	for rows.Next() {
		k, err := s.scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, k)
	}
	return jobs, rows.Err()
}

// unknownUser is the subject of no user.
const unknownUser = "unknown"

func (s *states) scanJob(rows *sql.Rows) (k scheduler.StoredJob, err error) {
	var name, spec string
	var version int64
	var paused bool
	var cursor, updated, since, alarm, scope, webhookBy, pausedBy, pausedAt, until, note sql.NullString
	wrong := rows.Scan(&k.ID, &name, &version, &spec, &paused, &cursor, &k.ConsecutiveFailures.Count, &since, &alarm, &updated, &k.UpdatedBy, &scope, &webhookBy,
		&pausedBy, &pausedAt, &until, &note)
	if wrong != nil {
		if err := scanFirst(rows, &k.ID, &name, &version, &spec); err != nil {
			return k, err
		}
		wrong = &scheduler.StateError{What: "row", Err: wrong}
		webhookBy.String = unknownUser // who set it is not known, and need not have been an admin
	}
	k.Job, k.Broken = s.specs.job(k.ID, spec)
	k.Broken = errors.Join(k.Broken, wrong)
	// These have their own columns, which override the spec.
	k.Name, k.Version, k.Paused, k.Alarm = name, version, paused, alarm.String
	if k.Scopes, err = tables.ParseList(scope); err != nil {
		k.Broken = errors.Join(k.Broken, fmt.Errorf("scope: %w", err)) // without its scopes it would run anywhere
	}
	k.Notify.WebhookBy = webhookBy.String
	k.Pause.By, k.Pause.Note = pausedBy.String, note.String
	for _, c := range []struct {
		name string
		to   *time.Time
		text sql.NullString
	}{
		{"cursor", &k.Cursor, cursor},
		{"failing_since", &k.ConsecutiveFailures.Since, since},
		{"updated_at", &k.UpdatedAt, updated},
		{"paused_at", &k.Pause.At, pausedAt},
		{"paused_until", &k.Pause.Until, until},
	} {
		if *c.to, err = parseTime(c.text); err != nil {
			k.Broken = errors.Join(k.Broken, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return k, nil
}
