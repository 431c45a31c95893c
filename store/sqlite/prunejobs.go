package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// guardTime is how far behind a job's cursor its firings are kept in any case: if the
// clock is set back by that much, they keep scheduled times from firing again.
const guardTime = 8 * 24 * time.Hour

// lookedAt selects the runs that a daemon still needs: to settle their firing, to
// repeat them, or as proof that they have ended.
const lookedAt = `EXISTS (SELECT 1 FROM firings f WHERE f.settled_at IS NULL
	AND (f.run_id = runs.id OR f.repeats = runs.id OR f.id = runs.replaced_by))`

// keepsItsOwn reports whether the job limits the age or the number of its runs.
// One that cannot be read may do so.
func keepsItsOwn(k *scheduler.StoredJob) bool {
	return k.Broken != nil || k.Keep.Age > 0 || k.Keep.Runs > 0
}

// keepTheirOwn returns the numbers of the jobs that do.
func keepTheirOwn(jobs []scheduler.StoredJob) []int64 {
	own := []int64{} // nil would be no JSON list
	for i := range jobs {
		if keepsItsOwn(&jobs[i]) {
			own = append(own, jobs[i].ID)
		}
	}
	return own
}

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
	byID := make(map[int64]*scheduler.StoredJob, len(jobs))
	for i := range jobs {
		byID[jobs[i].ID] = &jobs[i]
	}
	// All jobs that ever existed.
	ids, err := column[int64](ctx, r, "SELECT DISTINCT job_id FROM job_changes")
	if err != nil {
		return err
	}
	limits := []firingLimit{} // nil would be no JSON list
	var unreadable []error
	for _, id := range ids {
		before, err := firingsBefore(ctx, r, id, byID[id], keep)
		if _, ok := errors.AsType[*scheduler.StateError](err); ok {
			unreadable = append(unreadable, err)
			continue
		}
		if err != nil {
			return err
		}
		if !before.IsZero() {
			limits = append(limits, firingLimit{Job: id, Before: fanout.FormatTime(before)})
		}
	}
	list, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	return errors.Join(append(unreadable, removeFirings(ctx, r, w, string(list)))...)
}

// A firingLimit is the time before which the firings of a job are deleted.
type firingLimit struct {
	Job    int64  `json:"job"`
	Before string `json:"before"`
}

// firingsBefore returns the time before which firings of a job are deleted; zero: all
// are kept. k is nil for a job that was removed.
func firingsBefore(ctx context.Context, q queryer, id int64, k *scheduler.StoredJob, keep store.Retention) (before time.Time, err error) {
	age, number := keep.Keep, keep.KeepRuns
	if k != nil && keepsItsOwn(k) {
		age, number = k.Keep.Age, k.Keep.Runs
	}
	switch {
	case age > 0:
		before = time.Now().Add(-age)
	case number > 0:
		before, err = oldestRun(ctx, q, id)
	}
	if k == nil || err != nil || before.IsZero() {
		return before, err
	}
	if guard := k.Cursor.Add(-guardTime); before.After(guard) {
		return guard, nil
	}
	return before, nil
}

// oldestRun returns when the oldest run of a job was due, or started; zero: the job has no
// runs. The error is a [*scheduler.StateError] if the time cannot be read.
func oldestRun(ctx context.Context, q queryer, job int64) (time.Time, error) {
	var run int64
	var text sql.NullString
	err := q.QueryRowContext(ctx, "SELECT id, coalesce(due_at, started_at) FROM runs WHERE job_id = ? ORDER BY id LIMIT 1", job).Scan(&run, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := parseTime(text)
	if err != nil {
		return at, &scheduler.StateError{What: fmt.Sprintf("run %d", run), Err: err}
	}
	return at, nil
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
