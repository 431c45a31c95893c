package sqlite

import (
	"context"
	"database/sql"

	"tutti/internal/yamltree"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// JobChanges returns the changes of all jobs that have or had the name, newest first.
// The error is a *NoJobError if there never was one.
func (h *History) JobChanges(ctx context.Context, name string) ([]store.JobChange, error) {
	changes, err := tables.JobChanges(ctx, reader{h.r}, name)
	if err == nil && len(changes) == 0 {
		err = noJob(ctx, h.r, name)
	}
	return changes, h.fault("read", err)
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
	scan := func(rows *sql.Rows) (scheduler.StoredJob, error) { return s.specs.Scan(rows.Scan, firstOf(rows)) }
	return scanAll(ctx, q, scan, "SELECT "+tables.JobColumns+" FROM jobs"+where, args...)
}
