package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/access"
	"tutti/scheduler"
	"tutti/store"
	"tutti/store/tables"
)

// runBytes is about the space that a run uses: its output, and the rows of its hosts.
const runBytes = "recorded_bytes + 500 * (hosts + 1)"

// JobCosts returns, by job number, the space that the runs of each job use. Jobs without
// runs are not in it.
func (h *History) JobCosts(ctx context.Context) (map[int64]store.JobCost, error) {
	costs := make(map[int64]store.JobCost)
	err := eachOf(ctx, h.pool, func(rows pgx.Rows) error {
		var job int64
		var c store.JobCost
		err := rows.Scan(&job, &c.Runs, &c.Bytes)
		costs[job] = c
		return err
	}, "SELECT job_id, count(*), sum("+runBytes+")::bigint FROM runs WHERE job_id IS NOT NULL GROUP BY job_id")
	return costs, h.fault("read", err)
}

// Prune deletes the runs that the retention does not keep, and firings of the same age; see
// [store.History]. The server uses their space again; MaxSize and Bytes are about what runs
// use of it.
func (h *History) Prune(ctx context.Context, keep store.Retention) (store.Pruned, error) {
	if h.unwritable != nil {
		return store.Pruned{}, h.readOnlyError("prune")
	}
	p, err := h.prune(ctx, keep)
	return p, h.fault("prune", err)
}

func (h *History) prune(ctx context.Context, keep store.Retention) (p store.Pruned, err error) {
	jobs, err := allJobs(ctx, h)
	if err != nil {
		return p, err
	}
	ids, err := outdated(ctx, h.pool, keep, jobs)
	if err != nil {
		return p, err
	}
	noted := false
	for _, id := range ids { // each by itself, so that others can write in between
		err := h.change(ctx, func(tx pgx.Tx) error {
			runs := p.Runs
			if err := remove(ctx, tx, id, &p); err != nil || noted || p.Runs == runs {
				return err
			}
			return noteAudited(ctx, tx, "history", access.Done, nil)
		})
		if err != nil {
			return p, err
		}
		noted = noted || p.Runs > 0
	}
	unreadable := pruneFirings(ctx, h.pool, keep, jobs)
	_, err = h.pool.Exec(ctx, "DELETE FROM job_states_deleted WHERE at < clock_timestamp() - $1::interval", keptDeleted)
	return p, errors.Join(unreadable, err, tables.ForgetExpired(ctx, on(h.pool), on(h.pool), time.Now()))
}

// WouldPrune returns what Prune would delete: it does the same in a transaction that it
// rolls back.
func (h *History) WouldPrune(ctx context.Context, keep store.Retention) (p store.Pruned, err error) {
	jobs, err := allJobs(ctx, h)
	if err != nil {
		return p, h.fault("read", err)
	}
	undone := errors.New("undone")
	err = h.change(ctx, func(tx pgx.Tx) error {
		p = store.Pruned{}
		ids, err := outdated(ctx, tx, keep, jobs)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := remove(ctx, tx, id, &p); err != nil {
				return err
			}
		}
		return undone
	})
	if errors.Is(err, undone) {
		err = nil
	}
	return p, err
}

// allJobs are the jobs, whose own limits count.
func allJobs(ctx context.Context, h *History) ([]scheduler.StoredJob, error) {
	ids, err := column[int64](ctx, h.pool, "SELECT id FROM jobs")
	if err != nil {
		return nil, err
	}
	subjects, err := h.states.loadSubjects(ctx, h.pool, ids)
	var jobs []scheduler.StoredJob
	for i := range subjects {
		jobs = append(jobs, subjects[i].State.StoredJob)
	}
	return jobs, err
}

// remove deletes a run. One that is gone already, or has to stay, is not counted as
// deleted.
func remove(ctx context.Context, tx pgx.Tx, id int64, p *store.Pruned) error {
	var bytes int64
	err := tx.QueryRow(ctx, "DELETE FROM runs WHERE id = $1 AND "+endedState+" AND NOT "+tables.LookedAt+" AND NOT "+tables.ToldLater+
		" RETURNING "+runBytes, id).Scan(&bytes)
	if err == nil {
		p.Runs, p.Newest, p.Bytes = p.Runs+1, max(p.Newest, id), p.Bytes+bytes
		return nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	held, err := exists(ctx, tx, "SELECT 1 FROM runs WHERE id = $1 AND "+endedState, id)
	if held {
		p.Held++
	}
	return err
}

// outdated lists the runs that are too old or too many, for all or for their job, and the
// oldest that do not fit.
func outdated(ctx context.Context, q queryer, keep store.Retention, jobs []scheduler.StoredJob) ([]int64, error) {
	var ids []int64
	add := func(query string, args ...any) error {
		more, err := column[int64](ctx, q, query, args...)
		ids = append(ids, more...)
		return err
	}
	own := tables.KeepTheirOwn(jobs)
	const others = "coalesce(job_id, 0) <> ALL($1::bigint[])"
	var errs []error
	if keep.KeepRuns > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE "+others+" ORDER BY id DESC OFFSET $2", own, keep.KeepRuns))
	}
	if keep.Keep > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE "+others+" AND started_at < $2", own, timeText(time.Now().Add(-keep.Keep))))
	}
	for i := range jobs {
		errs = append(errs, outdatedOfJob(&jobs[i], add))
	}
	if keep.MaxSize > 0 {
		errs = append(errs, add(`
			SELECT id FROM (SELECT id, state, sum(`+runBytes+`) OVER (ORDER BY id DESC) AS total FROM runs) AS r
			WHERE total > $1 AND `+endedState, keep.MaxSize))
	}
	slices.Sort(ids)
	return slices.Compact(ids), errors.Join(errs...) // more than one rule may be about a run
}

// outdatedOfJob adds the runs that the job itself does not keep. The newest one is kept
// whatever its size.
func outdatedOfJob(k *scheduler.StoredJob, add func(query string, args ...any) error) error {
	var errs []error
	if k.Keep.Age > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE job_id = $1 AND started_at < $2", k.ID, timeText(time.Now().Add(-k.Keep.Age))))
	}
	if k.Keep.Runs > 0 {
		errs = append(errs, add("SELECT id FROM runs WHERE job_id = $1 ORDER BY id DESC OFFSET $2", k.ID, k.Keep.Runs))
	}
	if k.Keep.Size > 0 {
		errs = append(errs, add(`
			SELECT id FROM (
				SELECT id, row_number() OVER newest AS place, sum(`+runBytes+`) OVER newest AS total
				FROM runs WHERE job_id = $1 WINDOW newest AS (ORDER BY id DESC)) AS r
			WHERE place > 1 AND total > $2`, k.ID, k.Keep.Size))
	}
	return errors.Join(errs...)
}

// pruneFirings deletes the firings of each job that are as old as runs that are not kept. A
// firing whose run is kept stays.
func pruneFirings(ctx context.Context, q queryer, keep store.Retention, jobs []scheduler.StoredJob) error {
	ids, err := column[int64](ctx, q, "SELECT DISTINCT job_id FROM job_changes") // of all that ever existed
	if err != nil {
		return err
	}
	limits, unreadable, err := tables.FiringLimits(ctx, on(q), ids, jobs, keep)
	if err != nil {
		return err
	}
	for _, l := range limits {
		_, err := q.Exec(ctx, `
			DELETE FROM firings AS f WHERE job_id = $1 AND coalesce(scheduled_at, last_at, decided_at) < $2 AND settled_at IS NOT NULL
				AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = f.run_id)`, l.Job, l.Before)
		if err != nil {
			return errors.Join(unreadable, err)
		}
	}
	return unreadable
}

// Delete deletes a run that has ended.
func (s *Store) Delete(ctx context.Context, run int64) error {
	return s.History.change(ctx, func(tx pgx.Tx) error {
		var p store.Pruned
		if err := remove(ctx, tx, run, &p); err != nil {
			return err
		}
		if p.Runs > 0 {
			return noteRun(ctx, tx, run, nil)
		}
		return notEnded(ctx, tx, run)
	})
}

// notEnded says why a run cannot be deleted.
func notEnded(ctx context.Context, q queryer, run int64) error {
	states, err := column[string](ctx, q, "SELECT state FROM runs WHERE id = $1", run)
	switch {
	case err != nil:
		return err
	case len(states) == 0:
		return noRun(ctx, q, formatNumber(run))
	}
	return &store.NotEndedError{Run: run, State: store.State(states[0])}
}
