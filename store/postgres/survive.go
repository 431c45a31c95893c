package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tutti/fanout"
	"tutti/store"
)

// survive applies [store.QueueEntry.Survive] to the runs that wait.
func (q *Queue) survive(ctx context.Context) error {
	lost, err := column[int64](ctx, q.pool, "SELECT q.run_id"+inQueue+`
		WHERE q.daemon_id IS NOT NULL AND q.daemon_id NOT IN (SELECT id FROM controllers WHERE NOT "over")
			OR q.secrets_of IS NOT NULL AND q.secrets_of NOT IN (SELECT id FROM controllers WHERE NOT "over")
		ORDER BY q.run_id`)
	if err != nil {
		return err
	}
	for _, run := range lost {
		var next store.QueueEntry
		var fate store.Fate
		err := q.change(ctx, func(tx pgx.Tx) error {
			next, fate = store.QueueEntry{}, store.FateNone
			e, err := lockedEntry(ctx, tx, run)
			if notQueued(err) {
				return nil // another process was faster
			}
			if err != nil {
				return err
			}
			if next, fate, err = fateOf(ctx, tx, e); err != nil {
				return err
			}
			return suffer(ctx, tx, next, fate, time.Now())
		})
		if err != nil {
			return err
		}
		next.Report(fate, q.options)
	}
	return nil
}

// fateOf is what has become of a run that waits, by which controllers are
// registered: those that were not heard of are not any more, see bury.
func fateOf(ctx context.Context, tx pgx.Tx, e store.QueueEntry) (next store.QueueEntry, fate store.Fate, err error) {
	alive, err := column[int64](ctx, tx, `SELECT id FROM controllers WHERE id IN ($1, $2) AND NOT "over"`, e.Owner, e.Secrets)
	if err != nil {
		return e, store.FateNone, err
	}
	next, fate = e.Survive(func(daemon int64) bool { return slices.Contains(alive, daemon) })
	return next, fate, nil
}

// suffer writes down the fate of a run.
func suffer(ctx context.Context, tx pgx.Tx, e store.QueueEntry, fate store.Fate, now time.Time) error {
	switch fate {
	case store.FateAgain:
		return writeEntry(ctx, tx, e)
	case store.FatePoisoned:
		return endQueued(ctx, tx, e.Run, store.Finished, fanout.StoppedPoisoned, e.Reason(fate), now)
	case store.FateSecretsGone:
		return endQueued(ctx, tx, e.Run, store.Interrupted, fanout.StoppedSecretsGone, e.Reason(fate), now)
	}
	return nil
}

// requeue puts a run back that a controller which is gone has begun, and whose row is
// locked, unless anything is on record of one of its hosts: then a command may have been
// sent. A run that was to be stopped has ended then, as one that waits has. It reports
// whether the run has its fate.
func (h *handle) requeue(ctx context.Context, tx pgx.Tx, run int64) (done bool, report func(), err error) {
	all, err := scanAll(ctx, tx, scanEntry, `
		SELECT `+entryColumns+` FROM queue AS q WHERE run_id = $1
			AND NOT EXISTS (SELECT 1 FROM starts WHERE run_id = q.run_id)
			AND NOT EXISTS (SELECT 1 FROM attempts WHERE run_id = q.run_id)
			AND NOT EXISTS (SELECT 1 FROM ended WHERE run_id = q.run_id)
		FOR UPDATE`, run)
	if err != nil || len(all) == 0 {
		return false, nil, err
	}
	e, fate, err := fateOf(ctx, tx, all[0])
	if err != nil || fate == store.FateNone {
		return false, nil, err
	}
	now := time.Now()
	if fate == store.FateAgain {
		stopped, err := exists(ctx, tx, "SELECT 1 FROM runs WHERE id = $1 AND kill_at IS NOT NULL", run)
		if err != nil {
			return false, nil, err
		}
		if stopped {
			return true, func() {}, endQueued(ctx, tx, run, store.Finished, fanout.StoppedKill, "", now)
		}
		_, err = tx.Exec(ctx, "UPDATE runs SET state = 'queued', started_at = $2, daemon_id = NULL, controller = NULL WHERE id = $1", run, timeText(e.At))
		if err != nil {
			return false, nil, err
		}
	}
	return true, func() { e.Report(fate, h.options) }, suffer(ctx, tx, e, fate, now)
}

// buryLate ends the registrations of processes that were not heard of for too long, if
// there are any.
func (h *handle) buryLate(ctx context.Context) error {
	late, err := exists(ctx, h.pool, "SELECT 1 FROM controllers WHERE NOT "+aliveControllers)
	if err != nil || !late {
		return err
	}
	return h.bury(ctx)
}
