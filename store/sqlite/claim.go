package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"tutti/fanout"
	"tutti/store"
	"tutti/store/tables"
)

// Claim gives runs to owner; see [store.Queue].
func (q *Queue) Claim(ctx context.Context, owner store.Daemon, most int) (claimed []store.ClaimedRun, err error) {
	d, ok := owner.(*Daemon)
	if !ok {
		return nil, store.ErrTaken
	}
	// Most claims find nothing, and must not write then.
	all, err := entries(ctx, q.r)
	if err != nil || len(all) == 0 || most <= 0 {
		return nil, q.fault("read", err)
	}
	if err := q.survive(ctx); err != nil {
		return nil, q.fault("repair", err)
	}
	err = q.change(ctx, func(tx *sql.Tx) error {
		if err := d.registered(ctx, tx); err != nil {
			return taken(err)
		}
		if all, err = entries(ctx, tx); err != nil {
			return err
		}
		for _, e := range all {
			if len(claimed) == most {
				break
			}
			if e, err = e.ClaimBy(d.id); err != nil {
				continue // it is another's
			}
			if err := writeEntry(ctx, tx, e); err != nil {
				return err
			}
			claimed = append(claimed, store.ClaimedRun{QueueEntry: e})
		}
		for i := range claimed {
			if err := q.fill(ctx, tx, &claimed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// fill adds to a claim what it takes to begin the run.
func (q *Queue) fill(ctx context.Context, tx *sql.Tx, c *store.ClaimedRun) error {
	runs, err := q.runs.runsByID(ctx, tx, []int64{c.QueueEntry.Run}, refuseRun)
	if err != nil {
		return err
	}
	c.Run = *runs[c.QueueEntry.Run]
	var request string
	if err := tx.QueryRowContext(ctx, "SELECT request FROM queue WHERE run_id = ?", c.QueueEntry.Run).Scan(&request); err != nil {
		return err
	}
	if c.Request, err = readRequest(request); err != nil {
		return err
	}
	c.Hosts, err = hostsOf(ctx, tx, c.QueueEntry.Run)
	return err
}

// hostsOf returns the names of the hosts of a run, in the order of its plan.
func hostsOf(ctx context.Context, q queryer, run int64) ([]string, error) {
	return column[string](ctx, q, "SELECT host FROM results WHERE run_id = ? ORDER BY position", run)
}

// Release returns a run to the queue; see [store.Queue].
func (q *Queue) Release(ctx context.Context, held store.QueueEntry) error {
	return q.change(ctx, func(tx *sql.Tx) error {
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
	return q.change(ctx, func(tx *sql.Tx) error {
		if _, err := heldEntry(ctx, tx, held); err != nil {
			return err
		}
		if err := endQueued(ctx, tx, held.Run, store.Finished, fanout.StoppedRefused, reason, now); err != nil {
			return err
		}
		return noteRun(ctx, tx, held.Run, nil)
	})
}

// endQueued ends a run that has not begun: its hosts are skipped.
func endQueued(ctx context.Context, tx *sql.Tx, run int64, state store.State, why fanout.Stopped, reason string, now time.Time) error {
	var s fanout.Summary
	s.Add(fanout.Result{Outcome: fanout.Skipped})
	if _, err := tx.ExecContext(ctx, "UPDATE results SET outcome = 'skipped' WHERE run_id = ?", run); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "UPDATE runs SET state = ?, stopped = ?, reason = ?, ended_at = ?, skipped = hosts, remote_code = ? WHERE id = ?",
		string(state), why.String(), text(reason), timeText(now), s.RemoteCode, run)
	if err != nil {
		return err
	}
	return leaveQueue(ctx, tx, run)
}

// leaveQueue deletes what a run that has ended was decided from, and makes its callback due.
// Its end is written before, in the same transaction.
func leaveQueue(ctx context.Context, tx *sql.Tx, run int64) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM queue WHERE run_id = ?", run); err != nil {
		return err
	}
	return tables.CallbackDue(ctx, on(tx), run)
}

// beginQueued turns a claimed run into a running one.
func beginQueued(ctx context.Context, tx *sql.Tx, plan fanout.Plan, info store.RunInfo, decided string) (lock *runLock, err error) {
	d, ok := info.Owner.(*Daemon)
	if !ok || info.Claimed.Owner != d.id {
		return nil, store.ErrTaken
	}
	if err := d.registered(ctx, tx); err != nil {
		return nil, taken(err)
	}
	run := info.Claimed.Run
	if _, err := heldEntry(ctx, tx, info.Claimed); err != nil {
		return nil, err
	}
	hosts, err := hostsOf(ctx, tx, run)
	if err != nil {
		return nil, err
	}
	if err := store.SameHosts(run, plan, hosts); err != nil {
		return nil, err
	}
	if lock, err = d.ledger.locks.acquire(run); err != nil || lock == nil {
		return nil, cmp.Or(err, store.ErrTaken)
	}
	_, err = tx.ExecContext(ctx, "UPDATE runs SET state = 'running', started_at = ?, plan = ?, command = ?, inventory = ?, daemon_id = ? WHERE id = ?",
		timeText(time.Now()), decided, plan.Task.Label(), text(info.Inventory), d.id, run)
	return lock, err
}
