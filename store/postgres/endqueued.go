package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// Claim gives runs to owner; see [store.Queue]. Runs that another daemon is claiming are
// passed over.
func (q *Queue) Claim(ctx context.Context, owner store.Daemon, most int) (claimed []store.ClaimedRun, err error) {
	d, ok := owner.(*Daemon)
	if !ok {
		return nil, store.ErrTaken
	}
	// Most claims find nothing, and must not write then.
	some, err := exists(ctx, q.pool, "SELECT 1"+inQueue)
	if err != nil || !some || most <= 0 {
		return nil, q.fault("read", err)
	}
	if d.steady() {
		err = q.buryLate(ctx)
	}
	if err == nil {
		err = q.survive(ctx)
	}
	if err != nil {
		return nil, q.fault("repair", err)
	}
	err = q.change(ctx, func(tx pgx.Tx) error {
		if err := d.registered(ctx, tx); err != nil {
			return taken(err)
		}
		mine, err := scanAll(ctx, tx, scanEntry, `
			UPDATE queue AS q SET daemon_id = $1, claim = claim + 1 WHERE run_id IN (
				SELECT q.run_id`+inQueue+" WHERE q.daemon_id IS NULL AND (q.secrets_of IS NULL OR q.secrets_of = $1)"+queueOrder+` LIMIT $2
				FOR UPDATE OF q SKIP LOCKED)
			RETURNING `+entryColumns, d.id, most)
		if err != nil {
			return err
		}
		slices.SortFunc(mine, store.InOrder)
		claimed, err = q.filled(ctx, tx, mine)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// filled are claims with what it takes to begin their runs.
func (q *Queue) filled(ctx context.Context, tx pgx.Tx, mine []store.QueueEntry) ([]store.ClaimedRun, error) {
	var claimed []store.ClaimedRun
	for _, e := range mine {
		c := store.ClaimedRun{QueueEntry: e}
		runs, err := q.runs.runsByID(ctx, tx, []int64{e.Run}, refuseRun)
		if err != nil {
			return nil, err
		}
		c.Run = *runs[e.Run]
		var request string
		if err := tx.QueryRow(ctx, "SELECT request FROM queue WHERE run_id = $1", e.Run).Scan(&request); err != nil {
			return nil, err
		}
		if c.Request, err = readRequest(request); err != nil {
			return nil, err
		}
		if c.Hosts, err = hostsOf(ctx, tx, e.Run); err != nil {
			return nil, err
		}
		claimed = append(claimed, c)
	}
	return claimed, nil
}

// hostsOf returns the names of the hosts of a run, in the order of its plan.
func hostsOf(ctx context.Context, q queryer, run int64) ([]string, error) {
	return column[string](ctx, q, "SELECT host FROM hosts WHERE run_id = $1 ORDER BY position", run)
}

// Release returns a run to the queue; see [store.Queue].
func (q *Queue) Release(ctx context.Context, held store.QueueEntry) error {
	return q.change(ctx, func(tx pgx.Tx) error {
		e, err := heldEntry(ctx, tx, held)
		if err != nil {
			return err
		}
		if e, err = e.Release(held); err != nil {
			return err
		}
		return writeEntry(ctx, tx, e)
	})
}

// Fail ends a run that cannot begin; see [store.Queue].
func (q *Queue) Fail(ctx context.Context, held store.QueueEntry, reason string, now time.Time) error {
	return q.change(ctx, func(tx pgx.Tx) error {
		if _, err := heldEntry(ctx, tx, held); err != nil {
			return err
		}
		if err := endQueued(ctx, tx, held.Run, store.Finished, fanout.StoppedRefused, reason, now); err != nil {
			return err
		}
		return noteRun(ctx, tx, held.Run, nil)
	})
}

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

// beginQueued turns a claimed run into a running one, of the daemon that has it.
func beginQueued(ctx context.Context, tx pgx.Tx, plan fanout.Plan, info store.RunInfo, decided string) error {
	d, ok := info.Owner.(*Daemon)
	if !ok || info.Claimed.Owner != d.id {
		return store.ErrTaken
	}
	if err := d.registered(ctx, tx); err != nil {
		return taken(err)
	}
	run := info.Claimed.Run
	if _, err := heldEntry(ctx, tx, info.Claimed); err != nil {
		return err
	}
	hosts, err := hostsOf(ctx, tx, run)
	if err != nil {
		return err
	}
	if err := store.SameHosts(run, plan, hosts); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE runs SET state = 'running', started_at = $2, plan = $3, command = $4, inventory = $5, daemon_id = $6, controller = $6
		WHERE id = $1`, run, timeText(time.Now()), decided, plan.Task.Label(), text(info.Inventory), d.id)
	return err
}
