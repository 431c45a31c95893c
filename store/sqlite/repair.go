package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"tutti/fanout"
	"tutti/internal/errno"
	"tutti/store"
	"tutti/store/tables"
)

// A repairer ends the records of runs whose process died, in the history and, for runs
// of jobs, in the ledger.
type repairer struct {
	*fileHandle
	runs   *runReader
	states *states
	queue  *Queue
}

// repair marks the runs whose process died as interrupted. It goes on after a run that
// cannot be marked, and returns those as a *repairError.
func (r *repairer) repair(ctx context.Context) error {
	ids, err := running(ctx, r.r)
	if err != nil {
		return err
	}
	if err := r.queue.survive(ctx); err != nil {
		return err
	}
	left := &repairError{}
	for _, id := range ids {
		err := r.repairRun(ctx, id)
		switch {
		case err == nil:
		case kindOf(err) != nil || errno.Of(err) != 0 || ctx.Err() != nil:
			return err // the others would fare no better
		default:
			left.runs = append(left.runs, id)
			left.errs = append(left.errs, fmt.Errorf("run %d: %w", id, err))
		}
	}
	if left.runs == nil {
		return nil
	}
	return left
}

// A repairError has the runs that could not be marked as interrupted, and why.
type repairError struct {
	runs []int64
	errs []error
}

func (e *repairError) Error() string { return errors.Join(e.errs...).Error() }

func (e *repairError) Unwrap() []error { return e.errs }

// repairRun marks a run as interrupted if its process died.
func (r *repairer) repairRun(ctx context.Context, id int64) error {
	lock, err := r.locks.acquire(id)
	if err != nil || lock == nil {
		return err
	}
	cut, err := r.interrupt(ctx, id)
	if releaseErr := lock.release(); err == nil {
		err = releaseErr
	}
	if err == nil && cut != "" {
		r.options.Logger.Info("run was cut off", "run", id, "hosts", cut)
		r.options.Warn(fmt.Sprintf("run %d was cut off: %s", id, cut))
	}
	return err
}

// repairFirst is repair when the history is opened. Runs that it cannot mark do not
// prevent that, and are remembered as dead.
func (r *repairer) repairFirst(ctx context.Context) error {
	err := r.repair(ctx)
	left, ok := errors.AsType[*repairError](err)
	if !ok {
		return err
	}
	for _, id := range left.runs {
		r.runs.dead[id] = true
	}
	r.options.Logger.Error("cannot close runs that were cut off", "error", left)
	return nil
}

// catchUpEnds is tellEnds as a side task: what it cannot write now, the next call
// writes.
func (r *repairer) catchUpEnds(ctx context.Context) {
	if err := r.tellEnds(ctx); err != nil {
		r.options.Logger.Warn("the ends of runs are not in the ledger", "error", err)
	}
}

// tellEnds writes into the ledger the ends of runs of firings that only the history
// has: an older version recorded them, or a repair could not write both.
func (r *repairer) tellEnds(ctx context.Context) error {
	runs, err := column[int64](ctx, r.r, untoldEnds)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range runs {
		errs = append(errs, r.change(ctx, func(tx *sql.Tx) error {
			ends, err := r.runs.endsOf(ctx, tx, []int64{run})
			if err != nil || len(ends) == 0 {
				return err
			}
			return r.states.endFiring(ctx, tx, ends[0])
		}))
	}
	return errors.Join(errs...)
}

const untoldEnds = "SELECT run_id FROM firings WHERE " + openFirings + ` AND run_id IS NOT NULL AND ended IS NULL
	AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running') ORDER BY run_id`

// findDead is repair for a history that cannot be written: it only remembers the dead
// runs.
func (r *repairer) findDead(ctx context.Context) error {
	ids, err := running(ctx, r.r)
	if err != nil {
		return err
	}
	for _, id := range ids {
		held, err := r.locks.held(id)
		if err != nil {
			return err
		}
		r.runs.dead[id] = !held
	}
	return nil
}

// running lists the runs in that state.
func running(ctx context.Context, q queryer) ([]int64, error) {
	return column[int64](ctx, q, runningRuns)
}

const runningRuns = "SELECT id FROM runs WHERE state = 'running' ORDER BY id"

// lostMessage is the error of a host whose command had started when the record ended.
// The command may have succeeded.
const lostMessage = "tutti exited before it recorded the result"

// interrupt marks a run as interrupted, whose lock the caller holds. It returns, for
// users, the outcomes of the hosts without a result; "" if the run was not in state
// running.
func (r *repairer) interrupt(ctx context.Context, id int64) (cut string, err error) {
	tx, err := r.w.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	var state store.State
	err = tx.QueryRowContext(ctx, "SELECT state FROM runs WHERE id = ?", id).Scan(&state)
	if err != nil || state != store.Running {
		return "", err
	}
	done, report, err := r.requeue(ctx, tx, id)
	if err != nil {
		return "", err
	}
	if done {
		if err := r.commit(tx); err != nil {
			return "", err
		}
		report()
		return "", nil
	}
	var parts []string
	for _, step := range []struct{ what, query string }{
		{"awaiting a retry", endAwaiting},
		{"lost", endStarted},
		{"skipped", endUnstarted},
	} {
		res, err := tx.ExecContext(ctx, step.query, sql.Named("run", id), sql.Named("message", lostMessage))
		if err != nil {
			return "", err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return "", err
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, step.what))
		}
	}
	if err := endRun(ctx, tx, id); err != nil {
		return "", err
	}
	err = r.tellLedger(ctx, tx, id, func() error {
		ends, err := r.runs.endsOf(ctx, tx, []int64{id})
		for _, e := range ends {
			err = errors.Join(err, r.states.endFiring(ctx, tx, e))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if parts == nil {
		parts = []string{"every host had finished"}
	}
	return strings.Join(parts, ", "), r.commit(tx)
}

const (
	// A host between two attempts ended as the last of them did.
	endAwaiting = `
		UPDATE results SET (attempts, ` + tables.ReportColumns + `) = (
			SELECT attempt, ` + tables.ReportColumns + ` FROM attempts a
			WHERE a.run_id = @run AND a.host = results.host ORDER BY attempt DESC LIMIT 1)
		WHERE run_id = @run AND outcome IS NULL AND NOT started
			AND host IN (SELECT host FROM attempts WHERE run_id = @run)`
	endStarted = `
		UPDATE results SET outcome = 'lost', error_op = 'local', error = @message,
			remote_state = 'unknown', output_complete = 0
		WHERE run_id = @run AND outcome IS NULL AND started`
	endUnstarted = `
		UPDATE results SET outcome = 'skipped' WHERE run_id = @run AND outcome IS NULL`
)

// endRun counts the hosts, and closes the run at the last time that is known
// of it.
func endRun(ctx context.Context, tx *sql.Tx, id int64) error {
	var s fanout.Summary
	rows, err := tx.QueryContext(ctx, "SELECT "+tables.ReportColumns+" FROM results WHERE run_id = ?", id)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var row tables.ReportRow
		if err := rows.Scan(row.Fields()...); err != nil {
			return err
		}
		res, _, err := row.Result()
		if err != nil {
			return err
		}
		s.Add(res)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	args := []any{sql.Named("run", id), sql.Named("code", s.RemoteCode)}
	counts := make([]string, 0, tables.NumCounts)
	for _, o := range fanout.Outcomes() {
		args = append(args, sql.Named(o.String(), s.Counts[o]))
		counts = append(counts, "@"+o.String())
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE runs SET state = 'interrupted', remote_code = @code,
			(`+tables.CountColumns+`) = (`+strings.Join(counts, ", ")+`),
			ended_at = (SELECT max(t) FROM (
				SELECT runs.started_at AS t
				UNION ALL SELECT max(max(coalesce(started_at, ''), coalesce(ended_at, ''))) FROM results WHERE run_id = @run
				UNION ALL SELECT max(at) FROM output WHERE run_id = @run))
		WHERE id = @run`, args...)
	if err != nil {
		return err
	}
	return leaveQueue(ctx, tx, id)
}
