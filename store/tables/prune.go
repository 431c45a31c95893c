package tables

import (
	"context"
	"database/sql"
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

// LookedAt selects the runs that a daemon still needs: to settle their firing, to
// repeat them, or as proof that they have ended.
const LookedAt = `EXISTS (SELECT 1 FROM firings f WHERE f.settled_at IS NULL
	AND (f.run_id = runs.id OR f.repeats = runs.id OR f.id = runs.replaced_by))`

// keepsItsOwn reports whether the job limits the age or the number of its runs.
// One that cannot be read may do so.
func keepsItsOwn(k *scheduler.StoredJob) bool {
	return k.Broken != nil || k.Keep.Age > 0 || k.Keep.Runs > 0
}

// KeepTheirOwn returns the numbers of the jobs that do.
func KeepTheirOwn(jobs []scheduler.StoredJob) []int64 {
	own := []int64{} // nil would be no JSON list
	for i := range jobs {
		if keepsItsOwn(&jobs[i]) {
			own = append(own, jobs[i].ID)
		}
	}
	return own
}

// A FiringLimit is the time before which the firings of a job are deleted.
type FiringLimit struct {
	Job    int64  `json:"job"`
	Before string `json:"before"`
}

// firingsBefore returns the time before which firings of a job are deleted; zero: all
// are kept. k is nil for a job that was removed.
func firingsBefore(ctx context.Context, c Reader, id int64, k *scheduler.StoredJob, keep store.Retention) (before time.Time, err error) {
	age, number := keep.Keep, keep.KeepRuns
	if k != nil && keepsItsOwn(k) {
		age, number = k.Keep.Age, k.Keep.Runs
	}
	switch {
	case age > 0:
		before = time.Now().Add(-age)
	case number > 0:
		before, err = oldestRun(ctx, c, id)
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
func oldestRun(ctx context.Context, c Reader, job int64) (at time.Time, err error) {
	type oldest struct {
		run int64
		at  sql.NullString
	}
	some, err := All(ctx, c, func(rows Rows) (o oldest, err error) {
		err = rows.Scan(&o.run, &o.at)
		return o, err
	}, "SELECT id, coalesce(due_at, started_at) FROM runs WHERE job_id = ? ORDER BY id LIMIT 1", job)
	if err != nil || len(some) == 0 {
		return at, err
	}
	if at, err = ParseTime(some[0].at); err != nil {
		return at, &scheduler.StateError{What: fmt.Sprintf("run %d", some[0].run), Err: err}
	}
	return at, nil
}

// FiringLimits returns up to when the firings of each of the jobs with these numbers are
// deleted, of which jobs has those that exist. A job whose oldest run cannot be read keeps
// all its firings, and is unreadable.
func FiringLimits(ctx context.Context, c Reader, ids []int64, jobs []scheduler.StoredJob, keep store.Retention) (limits []FiringLimit, unreadable, err error) {
	byID := make(map[int64]*scheduler.StoredJob, len(jobs))
	for i := range jobs {
		byID[jobs[i].ID] = &jobs[i]
	}
	limits = []FiringLimit{} // nil would be no JSON list
	for _, id := range ids {
		before, err := firingsBefore(ctx, c, id, byID[id], keep)
		if _, ok := errors.AsType[*scheduler.StateError](err); ok {
			unreadable = errors.Join(unreadable, err)
			continue
		}
		if err != nil {
			return nil, unreadable, err
		}
		if !before.IsZero() {
			limits = append(limits, FiringLimit{Job: id, Before: fanout.FormatTime(before)})
		}
	}
	return limits, unreadable, nil
}
