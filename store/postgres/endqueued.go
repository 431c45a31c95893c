package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// endQueued ends a run that has not begun, whose row is locked: its hosts are skipped.
func endQueued(ctx context.Context, tx pgx.Tx, run int64, state store.State, why fanout.Stopped, reason string, now time.Time) error {
	var s fanout.Summary
	s.Add(fanout.Result{Outcome: fanout.Skipped})
	_, err := tx.Exec(ctx, `INSERT INTO ended (run_id, position, attempts, outcome, started)
		SELECT run_id, position, 0, 'skipped', false FROM hosts WHERE run_id = $1`, run)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE runs SET state = $2, stopped = $3, reason = $4, ended_at = $5, skipped = hosts, remote_code = $6 WHERE id = $1",
		run, string(state), why.String(), text(reason), timeText(now), s.RemoteCode)
	if err != nil {
		return err
	}
	return leaveQueue(ctx, tx, run)
}

// leaveQueue deletes what a run that has ended was decided from, and makes its callback due.
// Its end is written before, in the same transaction.
func leaveQueue(ctx context.Context, tx pgx.Tx, run int64) error {
	if _, err := tx.Exec(ctx, "DELETE FROM queue WHERE run_id = $1", run); err != nil {
		return err
	}
	return tables.CallbackDue(ctx, on(tx), run)
}
