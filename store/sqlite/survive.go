package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"tutti/fanout"
	"tutti/store"
)

// survive applies [store.QueueEntry.Survive] to the runs that wait.
func (q *Queue) survive(ctx context.Context) error {
	all, err := entries(ctx, q.r)
	if err != nil {
		return err
	}
	lost := false
	for _, e := range all {
		_, fate, err := q.fateOf(ctx, q.r, e)
		if err != nil {
			return err
		}
		lost = lost || fate != store.FateNone
	}
	if !lost {
		return nil
	}
	var reports []func()
	err = q.change(ctx, func(tx *sql.Tx) error {
		if all, err = entries(ctx, tx); err != nil {
			return err
		}
		for _, e := range all {
			next, fate, err := q.fateOf(ctx, tx, e)
			if err != nil {
				return err
			}
			if err := suffer(ctx, tx, next, fate, time.Now()); err != nil {
				return err
			}
			reports = append(reports, func() { next.Report(fate, q.options) })
		}
		return nil
	})
	if err == nil {
		for _, report := range reports {
			report()
		}
	}
	return err
}

// fateOf is what has become of a run that waits, by which daemons are registered and
// alive.
func (h *fileHandle) fateOf(ctx context.Context, q queryer, e store.QueueEntry) (next store.QueueEntry, fate store.Fate, err error) {
	next, fate = e.Survive(func(daemon int64) bool {
		alive, failed := exists(ctx, q, "SELECT 1 FROM daemons WHERE id = ?", daemon)
		if alive {
			alive, failed = h.locks.held(daemonLocks + daemon)
		}
		if failed != nil {
			err = failed
		}
		return alive || failed != nil
	})
	return next, fate, err
}

// suffer writes down the fate of a run.
func suffer(ctx context.Context, tx *sql.Tx, e store.QueueEntry, fate store.Fate, now time.Time) error {
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

// requeue puts a run back that a daemon which is gone has begun, unless anything is on
// record of one of its hosts: then a command may have been sent. A run that was to be
// stopped has ended then, as one that waits has. It reports whether the run has its fate.
func (h *fileHandle) requeue(ctx context.Context, tx *sql.Tx, run int64) (done bool, report func(), err error) {
	e, err := scanQueued(tx.QueryRowContext(ctx, `
		SELECT `+entryColumns+` FROM queue AS q WHERE run_id = ?
			AND NOT EXISTS (SELECT 1 FROM results WHERE run_id = q.run_id AND (started OR attempts > 0 OR outcome IS NOT NULL))`, run))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	e, fate, err := h.fateOf(ctx, tx, e)
	if err != nil || fate == store.FateNone {
		return false, nil, err
	}
	now := time.Now()
	if fate == store.FateAgain {
		stopped, err := exists(ctx, tx, "SELECT 1 FROM runs WHERE id = ? AND kill_at IS NOT NULL", run)
		if err != nil {
			return false, nil, err
		}
		if stopped {
			return true, func() {}, endQueued(ctx, tx, run, store.Finished, fanout.StoppedKill, "", now)
		}
		_, err = tx.ExecContext(ctx, "UPDATE runs SET state = 'queued', started_at = ?, daemon_id = NULL WHERE id = ?", timeText(e.At), run)
		if err != nil {
			return false, nil, err
		}
	}
	return true, func() { e.Report(fate, h.options) }, suffer(ctx, tx, e, fate, now)
}

// releaseAll releases the runs that a leaving daemon has claimed.
func (d *Daemon) releaseAll(ctx context.Context) error {
	const claimed = " FROM queue WHERE daemon_id = ? AND run_id IN (SELECT id FROM runs WHERE state = 'queued')"
	some, err := exists(ctx, d.ledger.r, "SELECT 1"+claimed, d.id)
	if err != nil || !some {
		return err
	}
	return d.ledger.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE queue SET daemon_id = NULL WHERE run_id IN (SELECT run_id"+claimed+")", d.id)
		return err
	})
}

// releaseWithin bounds how long a daemon that leaves waits for others to write.
const releaseWithin = 2 * time.Second

// releaseSoon is releaseAll with a short bound: a run that it cannot release counts as
// if the daemon had died.
func (d *Daemon) releaseSoon() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	if err := d.releaseAll(ctx); err != nil {
		d.ledger.options.Logger.Warn("cannot give back the runs that were claimed", "error", err)
	}
}
