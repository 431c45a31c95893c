package postgres

import (
	"context"

	"tutti/internal/yamltree"
	"tutti/scheduler"
	"tutti/store"
)

// Job returns the job of that name. The error is a *NoJobError if there is none.
func (l *Ledger) Job(ctx context.Context, name string) (scheduler.StoredJob, error) {
	jobs, err := l.storedJobs(ctx, "SELECT id FROM jobs WHERE name = $1", name)
	if err == nil && len(jobs) == 0 {
		err = noJob(ctx, l.pool, name)
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
	ids, err := column[int64](ctx, l.pool, query, args...)
	if err != nil {
		return nil, err
	}
	subjects, err := l.states.loadSubjects(ctx, l.pool, ids)
	for i := range subjects {
		if s := &subjects[i].State; !s.Removed { // it was not, a moment ago
			jobs = append(jobs, s.StoredJob)
		}
	}
	return jobs, err
}
