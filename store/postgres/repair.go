package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// A repairer ends the records of runs whose process is gone, in the history and, for runs
// of jobs, in the ledger.
type repairer struct {
	*handle
	runs   *runReader
	states *states
	queue  *Queue
}

// deadRuns are the runs in state running whose controller is not heard of any more: one of
// them, or all for run 0.
func deadRuns(ctx context.Context, q queryer, run int64) ([]int64, error) {
	return column[int64](ctx, q, `
		SELECT id FROM runs WHERE state = 'running' AND ($1 = 0 OR id = $1)
			AND NOT EXISTS (SELECT 1 FROM controllers AS c WHERE c.id = runs.controller AND is_alive(c.expires_at)) ORDER BY id`, run)
}

// goneRuns are the runs in state running whose controller is not registered any more, so
// that nothing is accepted of it.
const goneRuns = `SELECT id FROM runs WHERE state = 'running'
	AND NOT EXISTS (SELECT 1 FROM controllers AS c WHERE c.id = runs.controller) ORDER BY id`

// repair marks the runs whose process is gone as interrupted. It goes on after a run that
// cannot be marked, and returns those as a *repairError.
func (r *repairer) repair(ctx context.Context) error {
	if err := r.disown(ctx); err != nil {
		return err
	}
	ids, err := deadRuns(ctx, r.pool, 0)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		if err := r.bury(ctx); err != nil { // what is just written under them is waited for
			return err
		}
		// One of them may have been heard of meanwhile.
		if ids, err = column[int64](ctx, r.pool, goneRuns); err != nil {
			return err
		}
	}
	if err := r.queue.survive(ctx); err != nil {
		return err
	}
	left := &repairError{}
	for _, id := range ids {
		err := r.repairRun(ctx, id)
		switch {
		case err == nil:
		case kindOf(err) != nil || ctx.Err() != nil:
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

func (r *repairer) repairRun(ctx context.Context, id int64) error {
	cut, err := r.interrupt(ctx, id)
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

// findDead is repair for a history that cannot be written: it only remembers the dead
// runs.
func (r *repairer) findDead(ctx context.Context) error {
	ids, err := deadRuns(ctx, r.pool, 0)
	for _, id := range ids {
		r.runs.dead[id] = true
	}
	return err
}

// lostMessage is the error of a host whose command had started when the record ended. The
// command may have succeeded.
const lostMessage = "tutti exited before it recorded the result"

// lockJobOf locks the job of a run whose firing is open, which comes before the run.
func lockJobOf(ctx context.Context, tx pgx.Tx, run int64) error {
	_, err := tx.Exec(ctx, `
		SELECT 1 FROM job_states WHERE job_id IN (SELECT job_id FROM firings WHERE run_id = $1 AND settled_at IS NULL) FOR UPDATE`, run)
	return err
}

// interrupt marks a run as interrupted whose process is gone, or that is the caller's. It
// returns, for users, the outcomes of the hosts without a result; "" if the run was not in
// state running. Whoever records it waits for the run's row, and is refused then.
func (r *repairer) interrupt(ctx context.Context, id int64) (cut string, err error) {
	report := func() {}
	err = r.change(ctx, func(tx pgx.Tx) error {
		cut, report = "", func() {}
		if err := lockJobOf(ctx, tx, id); err != nil {
			return err
		}
		var state store.State
		err := tx.QueryRow(ctx, "SELECT state FROM runs WHERE id = $1 FOR UPDATE", id).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && state != store.Running {
			return nil
		}
		if err != nil {
			return err
		}
		var done bool
		if done, report, err = r.requeue(ctx, tx, id); err != nil || done {
			return err
		}
		if cut, err = endHosts(ctx, tx, id); err != nil {
			return err
		}
		if err := endRun(ctx, tx, id); err != nil {
			return err
		}
		return r.tellLedger(ctx, tx, id, func(tx pgx.Tx) error {
			ends, err := r.runs.endsOf(ctx, tx, []int64{id})
			for _, e := range ends {
				err = errors.Join(err, r.states.endFiring(ctx, tx, e))
			}
			return err
		})
	})
	if err == nil && report != nil {
		report()
	}
	return cut, err
}

// endHosts gives the hosts without a result one, and returns how many got which.
func endHosts(ctx context.Context, tx pgx.Tx, run int64) (cut string, err error) {
	var parts []string
	for _, step := range []struct {
		what, query string
		args        []any
	}{
		{"awaiting a retry", endAwaiting, []any{run}},
		{"lost", endStarted, []any{run, lostMessage}},
		{"skipped", endUnstarted, []any{run}},
	} {
		tag, err := tx.Exec(ctx, step.query, step.args...)
		if err != nil {
			return "", err
		}
		if n := tag.RowsAffected(); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, step.what))
		}
	}
	if parts == nil {
		return "every host had finished", nil
	}
	return strings.Join(parts, ", "), nil
}

const (
	// A host between two attempts ended as the last of them did.
	endAwaiting = "INSERT INTO ended (run_id, position, attempts, " + tables.ReportColumns + `)
		SELECT r.run_id, r.position, a.* FROM results AS r JOIN LATERAL (
			SELECT attempt, ` + tables.ReportColumns + ` FROM attempts
			WHERE run_id = r.run_id AND host = r.host ORDER BY attempt DESC LIMIT 1) AS a ON true
		WHERE r.run_id = $1 AND r.outcome IS NULL AND NOT r.started`
	endStarted = `
		INSERT INTO ended (run_id, position, attempts, address, outcome, started, started_at, error_op, error, remote_state,
			output_complete, stdout_bytes, stderr_bytes, omitted_bytes)
		SELECT run_id, position, attempts, address, 'lost', true, started_at, 'local', $2, 'unknown', false, stdout_bytes, stderr_bytes, omitted_bytes
		FROM results WHERE run_id = $1 AND outcome IS NULL AND started`
	endUnstarted = `
		INSERT INTO ended (run_id, position, attempts, outcome, started)
		SELECT run_id, position, attempts, 'skipped', false FROM results WHERE run_id = $1 AND outcome IS NULL`
)

// endRun counts the hosts, and closes the run at the last time that is known of it.
func endRun(ctx context.Context, tx pgx.Tx, id int64) error {
	var s fanout.Summary
	err := eachOf(ctx, tx, func(rows pgx.Rows) error {
		var row tables.ReportRow
		if err := rows.Scan(row.Fields()...); err != nil {
			return err
		}
		result, _, err := row.Result()
		s.Add(result)
		return err
	}, "SELECT "+tables.ReportColumns+" FROM ended WHERE run_id = $1", id)
	if err != nil {
		return err
	}
	args := pgx.NamedArgs{"run": id, "code": s.RemoteCode}
	for _, o := range fanout.Outcomes() {
		args[o.String()] = s.Counts[o]
	}
	_, err = tx.Exec(ctx, `
		UPDATE runs SET state = 'interrupted', remote_code = @code, ok = @ok, failed = @failed, timeout = @timeout, lost = @lost,
			unreachable = @unreachable, canceled = @canceled, skipped = @skipped,
			ended_at = greatest(started_at, (SELECT max(greatest(started_at, ended_at)) FROM ended WHERE run_id = @run),
				(SELECT max(at) FROM output WHERE run_id = @run))
		WHERE id = @run`, args)
	if err != nil {
		return err
	}
	return leaveQueue(ctx, tx, id)
}
