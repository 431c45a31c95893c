package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/internal/yamltree"
	"tutti/scheduler"
)

// What a [JobChange] was.
const (
	JobAdded   = "added"
	JobChanged = "changed"
	JobPaused  = "paused"
	JobResumed = "resumed"
	JobRemoved = "removed"
)

// AddJob keeps a job, which by wants. It fires at instants after now. The error
// is a *JobExistsError if there is one of that name.
func (s *Store) AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.Kept, error) {
	created, err := s.Create(ctx, job, by, now)
	if errors.Is(err, scheduler.ErrConflict) {
		err = &JobExistsError{Name: job.Name}
	}
	return created.State.Kept, err
}

// ChangeJob replaces the job of the same name, which by wants. job.Version is
// the one that was read; the error is a *JobChangedError if the job is at
// another by now, and a *NoJobError if it is gone. Nothing is written if nothing
// is different.
//
// What has not been decided up to now is not run if the job was paused, or is to
// fire at other times from now on: it is recorded as missed.
func (s *Store) ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.Kept, error) {
	if err := s.changeable(); err != nil {
		return scheduler.Kept{}, err
	}
	for {
		old, err := s.Job(ctx, job.Name)
		if err != nil {
			return old, err
		}
		if old.Version != job.Version {
			return old, changedError(&old)
		}
		if same, err := sameJob(&old, &job); err != nil || same {
			return old, s.fault("change", err)
		}
		// Many instants may have passed, and counting them takes its time.
		left := old.Leave(&job, now)
		t, err := scheduler.NewDesk(s).Apply(ctx, old.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Edit(job, left, by, at)
		})
		if !errors.Is(err, scheduler.ErrConflict) {
			return t.Next.Kept, err
		}
		// A daemon has decided some of them meanwhile.
	}
}

// sameJob reports whether nothing would change.
func sameJob(old *scheduler.Kept, job *scheduler.Job) (bool, error) {
	if old.Broken != nil {
		return false, nil
	}
	was, err := json.Marshal(old.Job)
	if err != nil {
		return false, err
	}
	is, err := json.Marshal(job)
	return bytes.Equal(was, is), err
}

func changedError(k *scheduler.Kept) error {
	return &JobChangedError{Name: k.Name, Version: k.Version, By: k.UpdatedBy, At: k.UpdatedAt}
}

// RemoveJob removes a job, which by wants. version is the one that was read, or
// 0 for whatever it is; the error is a *NoJobError or a *JobChangedError. What
// runs goes on, what waits is not begun, nobody is told of it any more, and what
// the history has of the job stays.
func (s *Store) RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error {
	if err := s.changeable(); err != nil {
		return err
	}
	for {
		k, err := s.Job(ctx, name)
		if err != nil {
			return err
		}
		_, err = scheduler.NewDesk(s).Apply(ctx, k.ID, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			switch {
			case s.Removed:
				return scheduler.Transition{}, scheduler.ErrConflict
			case version != 0 && version != s.Version:
				return scheduler.Transition{}, changedError(&s.Kept)
			}
			return s.Remove(by, at), nil
		})
		if !errors.Is(err, scheduler.ErrConflict) {
			return err
		}
	}
}

// A JobChange is one version of a job.
type JobChange struct {
	// JobID tells jobs apart that had the name one after the other.
	JobID   int64
	Version int64
	At      time.Time
	User    string
	// What is one of JobAdded, JobChanged and so on.
	What string
	// Spec is the job since then, or when it was removed, and Job what it says;
	// nil if it cannot be read any more.
	Spec json.RawMessage
	Job  *scheduler.Job
}

// JobChanges are the changes of the jobs that have or had the name, newest
// first. The error is a *NoJobError if there never was one.
func (s *Store) JobChanges(ctx context.Context, name string) ([]JobChange, error) {
	changes, err := s.jobChanges(ctx, name)
	if err == nil && len(changes) == 0 {
		err = s.noJob(ctx, s.r, name)
	}
	return changes, s.fault("read", err)
}

func (s *Store) jobChanges(ctx context.Context, name string) ([]JobChange, error) {
	rows, err := s.r.QueryContext(ctx, `
		SELECT job_id, version, at, user, what, spec FROM job_changes WHERE job = ? ORDER BY job_id DESC, version DESC`, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var changes []JobChange
	for rows.Next() {
		var c JobChange
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
func (s *Store) Job(ctx context.Context, name string) (scheduler.Kept, error) {
	kept, err := s.jobByName(ctx, s.r, name)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.noJob(ctx, s.r, name)
	}
	return kept, s.fault("read", err)
}

func (s *Store) noJob(ctx context.Context, q queryer, name string) error {
	names, err := column[string](ctx, q, "SELECT name FROM jobs ORDER BY name")
	if err != nil {
		return err
	}
	return &NoJobError{Name: name, Nearest: yamltree.Nearest(name, names)}
}

// Kept returns all jobs, by name. A job that cannot be read any more is among
// them, see [scheduler.Kept].
func (s *Store) Kept(ctx context.Context) ([]scheduler.Kept, error) {
	jobs, err := s.selectJobs(ctx, s.r, " ORDER BY name")
	return jobs, s.fault("read", err)
}

// jobByName and jobByID return sql.ErrNoRows if there is no such job.
func (s *Store) jobByName(ctx context.Context, q queryer, name string) (scheduler.Kept, error) {
	return oneJob(s.selectJobs(ctx, q, " WHERE name = ?", name))
}

func (s *Store) jobByID(ctx context.Context, q queryer, id int64) (scheduler.Kept, error) {
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

func (s *Store) selectJobs(ctx context.Context, q queryer, where string, args ...any) ([]scheduler.Kept, error) {
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

func (s *Store) scanJob(rows *sql.Rows) (k scheduler.Kept, err error) {
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
