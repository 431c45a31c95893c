package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// outdatedOfJob adds the runs that the job itself does not keep. The newest one
// is kept whatever its size.
func outdatedOfJob(k *scheduler.StoredJob, add func(query string, args ...any) error) error {
	var errs []error
	if k.Keep.Age > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE job_id = ? AND started_at < ? ORDER BY id", k.ID, timeText(time.Now().Add(-k.Keep.Age))))
	}
	if k.Keep.Runs > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE job_id = ? ORDER BY id DESC LIMIT -1 OFFSET ?", k.ID, k.Keep.Runs))
	}
	if k.Keep.Size > 0 {
		errs = append(errs, add(`
			SELECT id FROM (
				SELECT id, row_number() OVER newest AS place, sum(`+runBytes+`) OVER newest AS total
				FROM runs WHERE job_id = ? WINDOW newest AS (ORDER BY id DESC))
			WHERE place > 1 AND total > ?`, rowBytes, k.ID, k.Keep.Size))
	}
	return errors.Join(errs...)
}

// pruneFirings deletes the firings of each job that are as old as runs that are not kept.
// A firing whose run is kept stays. A job whose oldest run cannot be read keeps all its
// firings, and is an error.
func pruneFirings(ctx context.Context, r queryer, w database, keep store.Retention, jobs []scheduler.StoredJob) error {
	// All jobs that ever existed.
	ids, err := column[int64](ctx, r, "SELECT DISTINCT job_id FROM job_changes")
	if err != nil {
		return err
	}
	limits, unreadable, err := tables.FiringLimits(ctx, reader{r}, ids, jobs, keep)
	if err != nil {
		return err
	}
	list, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	return errors.Join(unreadable, removeFirings(ctx, r, w, string(list)))
}

// removeFirings deletes the firings before the limits, a list of firingLimit in
// JSON; some in each transaction so that others can write in between.
func removeFirings(ctx context.Context, r queryer, w database, limits string) error {
	const some = 5000
	for _, which := range []string{"scheduled_at < l.value ->> 'before'", "scheduled_at IS NULL AND coalesce(last_at, decided_at) < l.value ->> 'before'"} {
		query := `
			SELECT f.id FROM json_each(?) l CROSS JOIN firings f ON f.job_id = l.value ->> 'job'
			WHERE ` + which + ` AND settled_at IS NOT NULL
				AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id) LIMIT ?`
		for {
			left, err := exists(ctx, r, query, limits, some)
			if err != nil {
				return err
			}
			if !left {
				break
			}
			if _, err := w.ExecContext(ctx, "DELETE FROM firings WHERE id IN ("+query+")", limits, some); err != nil {
				return err
			}
		}
	}
	return nil
}
