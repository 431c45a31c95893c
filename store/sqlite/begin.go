package sqlite

import (
	"context"
	"database/sql"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
	"tutti/store"
)

// Begin numbers a run of plan and writes the run with its hosts, and ties it to its
// firing in the same transaction, if it is the run of one. The recorder must be closed.
// The end of ctx does not end its writes: an interrupted run is recorded to its end.
func (h *History) Begin(ctx context.Context, plan fanout.Plan, info store.RunInfo) (*store.Recorder, error) {
	if h.unwritable != nil {
		return nil, h.readOnlyError("record")
	}
	if err := h.inPlace("record"); err != nil {
		return nil, err
	}
	id, lock, err := h.insertRun(ctx, plan, info)
	if err != nil {
		return nil, h.fault("record", err)
	}
	w := &writer{history: h, lock: lock, claim: scheduler.Claim{Run: id}}
	if info.Firing != 0 {
		w.claim.Firing, w.claim.Fence = info.Firing, info.Owner.Fence()
	}
	return store.NewRecorder(ctx, id, plan, info, w), nil
}

// insertRun writes the rows of a new run. The lock is taken before the rows
// can be seen, so that no other process ever finds the run without it.
func (h *History) insertRun(ctx context.Context, plan fanout.Plan, info store.RunInfo) (_ int64, lock *runLock, err error) {
	decided, err := store.PlanText(plan, info)
	if err != nil {
		return 0, nil, err
	}
	tx, err := h.w.BeginTx(ctx, nil)
	if err != nil {
		return 0, nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		_ = tx.Rollback() // the first error counts
		if lock != nil {
			_ = lock.release() // nothing was written under it
		}
	}()
	if info.Claimed.Run != 0 {
		if lock, err = beginQueued(ctx, tx, plan, info, decided); err != nil {
			return 0, lock, err
		}
		return info.Claimed.Run, lock, h.commit(tx)
	}
	id, lock, err := takeNumber(ctx, tx, h.locks, store.Running, plan, info, decided, time.Now())
	if err != nil {
		return 0, nil, err
	}
	if info.Firing != 0 {
		owner, ok := info.Owner.(*Daemon)
		if !ok {
			return 0, lock, store.ErrTaken
		}
		if err = owner.begin(ctx, tx, info.Firing, id); err != nil {
			return 0, lock, err
		}
	}
	if err = insertHosts(ctx, tx, id, plan); err != nil {
		return 0, lock, err
	}
	return id, lock, h.commit(tx)
}

// takeNumber inserts the row of the run and locks its number. One that is
// locked already belongs to a run in a history that was deleted under it; the
// next is taken then.
func takeNumber(ctx context.Context, tx *sql.Tx, locks runLocks, state store.State, plan fanout.Plan, info store.RunInfo, decided string, now time.Time) (int64, *runLock, error) {
	for {
		res, err := tx.ExecContext(ctx, `
		INSERT INTO runs (source, command, selector, inventory, note, user, started_at, state, hosts, rerun_of, plan,
			job, job_id, scheduled_at, due_at, by_hand, principal, via)
		VALUES (`+placeholders(18)+`)`,
			plan.Source, plan.Task.Label(), plan.Selector, text(info.Inventory), text(info.Note), info.User,
			timeText(now), string(state), len(plan.Targets), number(info.RerunOf), decided,
			text(info.Job), number(info.JobID), timeText(info.ScheduledAt), timeText(info.DueAt),
			plan.Source != "job" && plan.Source != "api" || info.ByHand, text(info.Principal), text(info.Via))
		if err != nil {
			return 0, nil, err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return 0, nil, err
		}
		lock, err := locks.acquire(id)
		if err != nil || lock != nil {
			return id, lock, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM runs WHERE id = ?", id); err != nil {
			return 0, nil, err
		}
	}
}
