package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
func (s *Store) AddJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (kept scheduler.Kept, err error) {
	spec, err := json.Marshal(job)
	if err != nil {
		return kept, s.fault("change", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		if _, err := s.jobByName(ctx, tx, job.Name); err == nil {
			return &JobExistsError{Name: job.Name}
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		res, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (name, version, spec, paused, cursor, updated_at, updated_by) VALUES (?, 1, ?, ?, ?, ?, ?)`,
			job.Name, string(spec), job.Paused, timeText(now), timeText(now), by)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if kept, err = s.jobByID(ctx, tx, id); err != nil {
			return err
		}
		return noteChange(ctx, tx, &kept, JobAdded, string(spec))
	})
	return kept, err
}

// ChangeJob replaces the job of the same name, which by wants. job.Version is
// the one that was read; the error is a *JobChangedError if the job is at
// another by now, and a *NoJobError if it is gone. Nothing is written if nothing
// is different.
//
// What has not been decided up to now is not run if the job was paused, or is to
// fire at other times from now on: it is recorded as missed.
func (s *Store) ChangeJob(ctx context.Context, job scheduler.Job, by string, now time.Time) (scheduler.Kept, error) {
	for {
		old, err := s.Job(ctx, job.Name)
		if err != nil {
			return old, err
		}
		if old.Version != job.Version {
			return old, &JobChangedError{Name: job.Name, Version: old.Version, By: old.UpdatedBy, At: old.UpdatedAt}
		}
		// Many instants may have passed, and counting them takes its time.
		kept, err := s.replaceJob(ctx, &old, &job, old.Leave(&job, now), by, now)
		if !errors.Is(err, scheduler.ErrConflict) {
			return kept, err
		}
		// A daemon has decided some of them meanwhile.
	}
}

// replaceJob makes job of old, unless old has changed or moved on, which is a
// scheduler.ErrConflict.
func (s *Store) replaceJob(ctx context.Context, old *scheduler.Kept, job *scheduler.Job, left scheduler.Decisions, by string, now time.Time) (kept scheduler.Kept, err error) {
	spec, err := json.Marshal(job)
	if err != nil {
		return kept, s.fault("change", err)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		state, err := s.loadState(ctx, tx, old.ID, old.Name)
		if err != nil {
			return err
		}
		past, err := pastOf(ctx, tx, &left)
		if err != nil {
			return err
		}
		at, err := momentOf(ctx, tx, now)
		if err != nil {
			return err
		}
		t, err := state.Edit(*job, left, past, by, at)
		if err != nil {
			return err
		}
		var same bool
		if err := tx.QueryRowContext(ctx, "SELECT spec = ? FROM jobs WHERE id = ?", string(spec), old.ID).Scan(&same); err != nil || same {
			kept = state.Kept
			return err
		}
		if err := s.follow(ctx, tx, &state, &t, at); err != nil {
			return err
		}
		kept, err = s.writeJob(ctx, tx, old, &t.Next.Kept, string(spec))
		return err
	})
	return kept, err
}

// writeJob makes next of the job old, and keeps who did that.
func (s *Store) writeJob(ctx context.Context, tx *sql.Tx, old, next *scheduler.Kept, spec string) (kept scheduler.Kept, err error) {
	what := JobChanged
	switch {
	case next.Paused && !old.Paused:
		what = JobPaused
	case !next.Paused && old.Paused:
		what = JobResumed
	}
	// Whoever changes a schedule has been told what that means.
	_, err = tx.ExecContext(ctx, `
		UPDATE jobs SET version = ?, spec = ?, paused = ?, updated_at = ?, updated_by = ?, untold = CASE WHEN ? THEN untold ELSE 0 END
		WHERE id = ?`, next.Version, spec, next.Paused, timeText(next.UpdatedAt), next.UpdatedBy,
		slices.Equal(old.Schedules, next.Schedules), old.ID)
	if err != nil {
		return kept, err
	}
	if kept, err = s.jobByID(ctx, tx, old.ID); err != nil {
		return kept, err
	}
	return kept, noteChange(ctx, tx, &kept, what, spec)
}

// RemoveJob removes a job, which by wants. version is the one that was read, or
// 0 for whatever it is; the error is a *NoJobError or a *JobChangedError. What
// runs goes on, what waits is not begun, nobody is told of it any more, and what
// the history has of the job stays.
func (s *Store) RemoveJob(ctx context.Context, name string, version int64, by string, now time.Time) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		kept, err := s.jobByName(ctx, tx, name)
		if errors.Is(err, sql.ErrNoRows) {
			return s.noJob(ctx, tx, name)
		}
		if err != nil {
			return err
		}
		if version != 0 && version != kept.Version {
			return &JobChangedError{Name: name, Version: kept.Version, By: kept.UpdatedBy, At: kept.UpdatedAt}
		}
		var spec string
		if err := tx.QueryRowContext(ctx, "DELETE FROM jobs WHERE id = ? RETURNING spec", kept.ID).Scan(&spec); err != nil {
			return err
		}
		state := scheduler.JobState{Kept: kept}
		if err := s.loadFirings(ctx, tx, &state); err != nil {
			return err
		}
		t, err := s.applyTo(ctx, tx, &state, now, func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Remove(by, at), nil
		})
		if err != nil {
			return err
		}
		if err := dropMessages(ctx, tx, kept.ID, scheduler.ReasonRemoved, now); err != nil {
			return err
		}
		return noteChange(ctx, tx, &t.Next.Kept, JobRemoved, spec)
	})
}

// noteChange keeps who made the job what it is now.
func noteChange(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, what, spec string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO job_changes (job_id, version, job, at, user, what, spec) VALUES (?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Version, k.Name, timeText(k.UpdatedAt), k.UpdatedBy, what, spec)
	return err
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
