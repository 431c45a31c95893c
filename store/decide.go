package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"tutti/scheduler"
)

// Why a firing that was to run is closed by the store.
const (
	reasonReplaced  = "a later firing took its place"
	reasonAskerGone = "whoever asked for it is gone"
	reasonStale     = "nobody began it within a day"
	reasonStopped   = "the daemon was stopped"
)

// Decide writes down what becomes of instants and moves the job's cursor; see
// [scheduler.Jobs].
func (d *Daemon) Decide(ctx context.Context, what scheduler.Decisions) (tickets []scheduler.Ticket, err error) {
	now := d.clock()
	err = d.store.change(ctx, func(tx *sql.Tx) error {
		kept, err := d.store.jobByID(ctx, tx, what.Job.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return scheduler.ErrConflict
		}
		if err != nil {
			return err
		}
		if kept.Version != what.Job.Version || timeText(kept.Cursor) != timeText(what.Job.Cursor) {
			return scheduler.ErrConflict
		}
		if tickets, err = decideFirings(ctx, tx, &kept, &what, now); err != nil {
			return err
		}
		id, err := insertMissed(ctx, tx, &what, now)
		if err != nil {
			return err
		}
		if id != 0 && kept.Notify.Missed() {
			if err := tellMissed(ctx, tx, &kept, id, now); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE jobs SET cursor = ?, alarm = coalesce(?, alarm) WHERE id = ?",
			timeText(what.Cursor), text(what.Alarm), kept.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tickets, nil
}

// decideFirings decides the firings one after the other, without those that the
// history has already.
func decideFirings(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, what *scheduler.Decisions, now time.Time) ([]scheduler.Ticket, error) {
	var decided []*firing
	for i, x := range slices.Concat(what.CaughtUp, what.Firings) {
		known, err := isKnown(ctx, tx, k.ID, x.At)
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		f := &firing{
			jobID: k.ID, job: k.Name, scheduled: x.At, due: x.Due, moved: x.Moved, decided: now, caughtUp: i < len(what.CaughtUp),
		}
		replaced, err := f.decide(ctx, tx, k, now)
		if err != nil {
			return nil, err
		}
		if replaced {
			for _, earlier := range decided {
				if earlier.decision == scheduler.Run {
					earlier.decision, earlier.reason = scheduler.Skipped, reasonReplaced
				}
			}
		}
		decided = append(decided, f)
	}
	var tickets []scheduler.Ticket
	for _, f := range decided {
		tickets = append(tickets, f.ticket(k))
	}
	return tickets, nil
}

// isKnown reports whether the history has the instant already: by itself, or in
// a row of missed ones.
func isKnown(ctx context.Context, tx *sql.Tx, job int64, at time.Time) (known bool, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM firings WHERE job_id = @job AND scheduled_at = @at)
			OR EXISTS (SELECT 1 FROM firings WHERE job_id = @job AND first_at IS NOT NULL AND last_at >= @at AND first_at <= @at)`,
		sql.Named("job", job), sql.Named("at", timeText(at))).Scan(&known)
	return known, err
}

// decide decides the firing by the job's overlap and writes it down. replaced is
// true if firings that were to run, and had not begun, were closed for its sake.
func (f *firing) decide(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, now time.Time) (replaced bool, err error) {
	busy, err := busyWith(ctx, tx, k.ID, 0)
	if err != nil {
		return false, err
	}
	judge := k.Overlap.Decide
	if f.caughtUp {
		judge = k.Overlap.CatchUp
	}
	v := judge(busy.begun+busy.unbegun, busy.waiting, k.MaxRunning)
	if v.End && busy.unbegun > 0 {
		// What has not begun ends by not being begun, which needs no other proof.
		if err := closeUnbegun(ctx, tx, k.ID, reasonReplaced, now); err != nil {
			return false, err
		}
		replaced = true
		v = k.Overlap.Decide(busy.begun, busy.waiting, k.MaxRunning)
	}
	f.decision, f.reason, f.waited = v.Decision, v.Reason, v.Decision == scheduler.Queued
	if f.decision == scheduler.Skipped {
		f.settled = now
	}
	if err := f.insert(ctx, tx); err != nil || !v.End {
		return replaced, err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE runs SET kill_at = coalesce(kill_at, ?), kill_by = coalesce(kill_by, ?), replaced_by = ?
		WHERE state = 'running' AND id IN (SELECT run_id FROM firings WHERE job_id = ? AND `+openFirings+`)`,
		timeText(now), jobAsKiller(k.Name), f.id, k.ID)
	return replaced, err
}

// A business is how many firings of a job are under way: begun and not ended,
// to be run and not begun, and waiting for others to end.
type business struct{ begun, unbegun, waiting int }

// busyWith counts the open firings of a job, without the one of number except.
func busyWith(ctx context.Context, tx *sql.Tx, job, except int64) (b business, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE state = 'running'),
			count(*) FILTER (WHERE decision = 'run' AND run_id IS NULL),
			count(*) FILTER (WHERE decision = 'queued')
		FROM (SELECT f.decision, f.run_id, r.state
			FROM firings f LEFT JOIN runs r ON r.id = f.run_id
			WHERE f.job_id = ? AND f.id <> ? AND f.`+openFirings+`)`, job, except).Scan(&b.begun, &b.unbegun, &b.waiting)
	return b, err
}

// insertMissed writes down the instants that are not run, if there are any, and
// returns the number of their firing. What the history has already, because the
// clock was put back and forward again, is not counted twice.
func insertMissed(ctx context.Context, tx *sql.Tx, d *scheduler.Decisions, now time.Time) (id int64, err error) {
	gap := d.Missed
	if gap.Count == 0 {
		return 0, nil
	}
	var known int
	err = tx.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM firings WHERE job_id = @job AND scheduled_at BETWEEN @first AND @last)
			+ (SELECT coalesce(sum(count), 0) FROM firings
				WHERE job_id = @job AND first_at IS NOT NULL AND last_at BETWEEN @first AND @last AND first_at >= @first)`,
		sql.Named("job", d.Job.ID), sql.Named("first", timeText(gap.First)), sql.Named("last", timeText(gap.Last))).Scan(&known)
	if err != nil || known >= gap.Count {
		return 0, err
	}
	gap.Count -= known
	f := firing{jobID: d.Job.ID, job: d.Job.Name, decision: scheduler.Missed, reason: d.MissedReason, gap: gap, decided: now, settled: now}
	err = f.insert(ctx, tx)
	return f.id, err
}

// closeUnbegun closes the firings of a job that are to run and have not begun.
// Whoever was about to begin one of them finds it gone.
func closeUnbegun(ctx context.Context, tx *sql.Tx, job int64, reason string, now time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE firings SET decision = 'skipped', reason = ?, settled_at = ? WHERE job_id = ? AND "+unbegun,
		reason, timeText(now), job)
	return err
}

// Fail closes a claimed firing that was not begun; see [scheduler.Jobs].
func (d *Daemon) Fail(ctx context.Context, t scheduler.Ticket, decision scheduler.Decision, reason string) error {
	now := d.clock()
	return d.store.change(ctx, func(tx *sql.Tx) error {
		firings, err := selectFirings(ctx, tx, "id = ? AND daemon_id = ? AND "+unbegun, t.ID, d.id)
		if err != nil {
			return err
		}
		if len(firings) == 0 {
			return scheduler.ErrConflict
		}
		f := &firings[0]
		k, gone, err := d.store.jobOf(ctx, tx, f)
		if err != nil {
			return err
		}
		return f.closeTold(ctx, tx, &k, gone, decision, reason, now)
	})
}

// closeTold is close, and tells those who want to know of a missed instant.
func (f *firing) closeTold(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, gone bool, decision scheduler.Decision, reason string, now time.Time) error {
	if err := f.close(ctx, tx, decision, reason, now); err != nil {
		return err
	}
	if gone || decision != scheduler.Missed || !k.Notify.Missed() {
		return nil
	}
	return tellMissed(ctx, tx, k, f.id, now)
}
