package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tutti/scheduler"
	"tutti/store/tables"
)

// Ends marks the runs of dead processes as interrupted, and returns the ends of those of
// runs that have ended; see [store.History].
func (h *History) Ends(ctx context.Context, runs []int64) ([]scheduler.Ended, error) {
	left := h.repairer.repair(ctx)
	if _, ok := errors.AsType[*repairError](left); left != nil && !ok {
		return nil, h.fault("repair", left)
	}
	h.repairer.catchUpEnds(ctx)
	ends, err := h.endsOfEach(ctx, runs)
	if err != nil {
		return ends, h.fault("read", err)
	}
	return ends, h.fault("repair", left)
}

// endsOfEach is endsOf that reads run by run: one that cannot be read is an error, and the
// others are returned.
func (h *History) endsOfEach(ctx context.Context, runs []int64) ([]scheduler.Ended, error) {
	ends, err := h.runs.endsOf(ctx, h.pool, runs)
	if err == nil || len(runs) < 2 || kindOf(err) != nil || ctx.Err() != nil {
		return ends, err
	}
	var errs []error
	for _, run := range runs {
		one, err := h.runs.endsOf(ctx, h.pool, []int64{run})
		if err != nil {
			err = fmt.Errorf("run %d: %w", run, err)
		}
		ends, errs = append(ends, one...), append(errs, err)
	}
	return ends, errors.Join(errs...)
}

// endsOf returns the ends of those of the runs that have ended.
func (r *runReader) endsOf(ctx context.Context, q queryer, ids []int64) (ends []scheduler.Ended, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	runs, err := r.runsByID(ctx, q, ids, refuseRun)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		e, ended, err := tables.EndOf(ctx, on(q), id, runs[id])
		if err != nil {
			return nil, err
		}
		if ended {
			ends = append(ends, e)
		}
	}
	return ends, nil
}

// tellLedger writes ends into the ledger, in the transaction that writes them into the
// history. If the state of the job cannot be read, only the history has the end, and
// [History.Ends] returns it later.
func (r *repairer) tellLedger(ctx context.Context, tx pgx.Tx, run int64, tell func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, tx, tell) // a savepoint
	if err == nil || stateOf(err) != "" || kindOf(err) != nil || ctx.Err() != nil {
		return err // nil, or not about the job's state
	}
	r.options.Logger.Error("cannot record the end of a run in its job", "run", run, "error", err)
	return nil
}

// catchUpEnds is tellEnds as a side task: what it cannot write now, the next call writes.
func (r *repairer) catchUpEnds(ctx context.Context) {
	if r.unwritable != nil {
		return
	}
	if err := r.tellEnds(ctx); err != nil {
		r.options.Logger.Warn("the ends of runs are not in the ledger", "error", err)
	}
}

// tellEnds writes into the ledger the ends of runs of firings that only the history has: a
// repair could not write both.
func (r *repairer) tellEnds(ctx context.Context) error {
	runs, err := column[int64](ctx, r.pool, untoldEnds)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range runs {
		errs = append(errs, r.change(ctx, func(tx pgx.Tx) error {
			ends, err := r.runs.endsOf(ctx, tx, []int64{run})
			if err != nil || len(ends) == 0 {
				return err
			}
			return r.states.endFiring(ctx, tx, ends[0])
		}))
	}
	return errors.Join(errs...)
}

const (
	untoldEnds = "SELECT run_id FROM firings WHERE " + openFirings + ` AND run_id IS NOT NULL AND ended IS NULL
		AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running') ORDER BY run_id`
	// endedFirings are the firings that have ended and are not settled, also if only the
	// history has the end.
	endedFirings = openFirings + ` AND (decision = 'failed'
		OR run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running'))`
)

// CountEnded updates, in jobs, the consecutive failures by the firings that have ended and
// that no daemon has settled yet; see [store.History].
func (h *History) CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error {
	ids, err := column[int64](ctx, h.pool, "SELECT DISTINCT job_id FROM firings WHERE "+endedFirings)
	if err != nil || len(ids) == 0 {
		return h.fault("read", err)
	}
	subjects, err := h.states.loadSubjects(ctx, h.pool, ids)
	if err != nil {
		return h.fault("read", err)
	}
	err = tables.CountEnded(jobs, subjects, func(runs []int64) ([]scheduler.Ended, error) { return h.runs.endsOf(ctx, h.pool, runs) })
	return h.fault("read", err)
}

// SetExitCode replaces the exit code that was computed at the end of a run by that with
// which the process of the run exits, also in the messages that are still to be sent.
func (h *History) SetExitCode(ctx context.Context, run int64, code int) error {
	return h.change(ctx, func(tx pgx.Tx) error {
		if err := lockJobOf(ctx, tx, run); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			WITH run AS (UPDATE runs SET exit_code = $2 WHERE id = $1),
			f AS (
				UPDATE firings SET ended = jsonb_set(ended::jsonb, '{exit_code}', to_jsonb($2::bigint))::text
				WHERE run_id = $1 AND ended IS NOT NULL AND `+openFirings+` RETURNING job_id)
			UPDATE job_states SET revision = revision + 1, changed_by = pg_current_xact_id() WHERE job_id IN (SELECT job_id FROM f)`, run, code)
		return err
	})
}
