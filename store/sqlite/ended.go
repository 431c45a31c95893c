package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tutti/scheduler"
	"tutti/store/tables"
)

// Ends marks the runs of dead processes as interrupted, and returns the ends of those
// of runs that have ended, which their processes may not have written into the ledger.
// A run that cannot be marked is an error; the other ends are returned with it.
func (h *History) Ends(ctx context.Context, runs []int64) ([]scheduler.Ended, error) {
	if err := h.inPlace("repair"); err != nil {
		return nil, err
	}
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

// endsOfEach is endsOf that reads run by run: one that cannot be read is an error, and
// the others are returned.
func (h *History) endsOfEach(ctx context.Context, runs []int64) ([]scheduler.Ended, error) {
	ends, err := h.runs.endsOf(ctx, h.r, runs)
	if err == nil || len(runs) < 2 || kindOf(err) != nil || ctx.Err() != nil {
		return ends, err
	}
	var errs []error
	for _, run := range runs {
		one, err := h.runs.endsOf(ctx, h.r, []int64{run})
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
		e, ended, err := tables.EndOf(ctx, reader{q}, id, runs[id])
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
func (r *repairer) tellLedger(ctx context.Context, tx *sql.Tx, run int64, tell func() error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT ledger"); err != nil {
		return err
	}
	if err := tell(); err != nil {
		if kindOf(err) != nil || ctx.Err() != nil {
			return err // the error is not about the job's state
		}
		if _, failed := tx.ExecContext(ctx, "ROLLBACK TO ledger"); failed != nil {
			return err // SQLite has rolled back more than the savepoint
		}
		r.options.Logger.Error("cannot record the end of a run in its job", "run", run, "error", err)
	}
	_, err := tx.ExecContext(ctx, "RELEASE ledger")
	return err
}

// endFiring records the end of a run in its firing, in the transaction that writes it
// into the history, since both are in one file.
func (s *states) endFiring(ctx context.Context, tx *sql.Tx, e scheduler.Ended) error {
	jobs, err := column[int64](ctx, tx, "SELECT job_id FROM firings WHERE run_id = ? AND "+openFirings, e.Run)
	if err != nil || len(jobs) == 0 {
		return err
	}
	subjects, err := s.loadSubjects(ctx, tx, jobs)
	if err != nil {
		return err
	}
	t, err := subjects[0].State.End(e, scheduler.Moment{})
	if errors.Is(err, scheduler.ErrConflict) && subjects[0].State.Damaged() {
		return subjects[0].State.Broken // the firing may be unreadable
	}
	if errors.Is(err, scheduler.ErrConflict) {
		return nil // the ledger has it already
	}
	if err != nil {
		return err
	}
	return s.move(ctx, tx, &scheduler.Move{From: subjects[0].Rev, Transition: t})
}

// endedFirings are the firings that have ended and are not settled, also if only the
// history has the end.
const endedFirings = openFirings + ` AND (decision = 'failed'
	OR run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running'))`

// CountEnded updates, in jobs, the consecutive failures by the firings that have ended
// and that no daemon has settled yet, for instance because none is running. It writes
// nothing.
func (h *History) CountEnded(ctx context.Context, jobs []scheduler.StoredJob) error {
	return h.fault("read", h.repairer.countEnded(ctx, jobs))
}

func (r *repairer) countEnded(ctx context.Context, jobs []scheduler.StoredJob) error {
	ids, err := column[int64](ctx, r.r, "SELECT DISTINCT job_id FROM firings WHERE "+endedFirings)
	if err != nil || len(ids) == 0 {
		return err
	}
	subjects, err := r.states.loadSubjects(ctx, r.r, ids)
	if err != nil {
		return err
	}
	return tables.CountEnded(jobs, subjects, func(runs []int64) ([]scheduler.Ended, error) { return r.runs.endsOf(ctx, r.r, runs) })
}

// SetExitCode replaces the exit code that was computed at the end of a run by that with
// which the process of the run exits, also in the messages that are still to be sent.
func (h *History) SetExitCode(ctx context.Context, run int64, code int) error {
	return h.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE runs SET exit_code = ? WHERE id = ?", code, run); err != nil {
			return err
		}
		jobs, err := column[int64](ctx, tx, `
			UPDATE firings SET ended = json_set(ended, '$.exit_code', ?)
			WHERE run_id = ? AND json_valid(ended) AND `+openFirings+" RETURNING job_id", code, run)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if _, err := tx.ExecContext(ctx, "UPDATE job_states SET revision = revision + 1 WHERE job_id = ?", job); err != nil {
				return err
			}
		}
		return nil
	})
}
