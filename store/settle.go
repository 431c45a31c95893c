package store

import (
	"context"
	"database/sql"
	"time"

	"tutti/fanout"
	"tutti/scheduler"
)

// endedFirings are those that have come to their end and are not settled.
const endedFirings = openFirings + ` AND (decision = 'failed'
	OR run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id AND state = 'running'))`

// asTheyEnded is the order in which a streak is counted.
const asTheyEnded = " ORDER BY coalesce((SELECT ended_at FROM runs WHERE runs.id = run_id), decided_at), id"

// Settle returns the firings that have ended and nobody was told of; see
// [scheduler.Jobs].
func (d *Daemon) Settle(ctx context.Context, now time.Time) (endings []scheduler.Ending, err error) {
	d.tick(now)
	some, err := exists(ctx, d.store.r, "SELECT 1 FROM firings WHERE "+endedFirings)
	if err != nil || !some {
		return nil, d.store.fault("read", err)
	}
	err = d.store.change(ctx, func(tx *sql.Tx) error {
		firings, err := selectFirings(ctx, tx, endedFirings+asTheyEnded)
		if err != nil {
			return err
		}
		for i := range firings {
			e, known, err := d.store.settle(ctx, tx, &firings[i], now)
			if err != nil {
				return err
			}
			if known {
				endings = append(endings, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return endings, nil
}

// settle settles one firing. How a run ended that was deleted nobody knows, and
// known is false.
func (s *Store) settle(ctx context.Context, tx *sql.Tx, f *firing, now time.Time) (e scheduler.Ending, known bool, err error) {
	if _, err := tx.ExecContext(ctx, "UPDATE firings SET settled_at = ? WHERE id = ?", timeText(now), f.id); err != nil {
		return e, false, err
	}
	k, gone, err := s.jobOf(ctx, tx, f)
	if err != nil {
		return e, false, err
	}
	var run *Run
	if f.run != 0 {
		runs, err := s.selectRuns(ctx, tx, "SELECT "+runColumns+" FROM runs WHERE id = ?", f.run)
		if err != nil || len(runs) == 0 {
			return e, false, err
		}
		run = &runs[0]
		if err := s.noteWish(ctx, tx, f, run, k.Zone); err != nil {
			return e, false, err
		}
	}
	if e.Ticket, err = s.ticketOf(ctx, tx, f, &k); err != nil {
		return e, false, err
	}
	if run != nil {
		e.Run, e.OK, e.Interrupted, e.Summary = run.ID, run.ok(), run.State == Interrupted, run.Summary
		e.OnRequest = f.reason != ""
	}
	if gone {
		return e, true, nil
	}
	if e.Streak, err = countEnding(ctx, tx, &k, f, run, now); err != nil {
		return e, false, err
	}
	e.Job.Streak = e.Streak
	if e.Interrupted {
		err = repeat(ctx, tx, &k, f, run, now)
	}
	return e, true, err
}

// ok reports whether all hosts are ok.
func (r *Run) ok() bool {
	return r.State == Finished && r.Summary.Counts[fanout.OK] == r.Summary.Hosts
}

// countEnding gives the job its new streak, and tells those who want to know.
func countEnding(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, f *firing, run *Run, now time.Time) (scheduler.Streak, error) {
	at := now
	if run != nil && !run.Summary.Ended.IsZero() {
		at = run.Summary.Ended
	}
	after, occasion, told := streakAfter(k, f, run, at)
	_, err := tx.ExecContext(ctx, "UPDATE jobs SET failures = ?, failing_since = ? WHERE id = ?", after.Failures, timeText(after.Since), k.ID)
	if err != nil || !told {
		return after, err
	}
	failures := after.Failures
	if occasion == scheduler.OnRecovery {
		failures = k.Streak.Failures
	}
	return after, tell(ctx, tx, k, f, run, scheduler.Message{Type: occasion.String(), Time: at, Failures: failures}, now)
}

// streakAfter is the streak of a job once a firing has ended at that time, and
// what is told of it.
func streakAfter(k *scheduler.Kept, f *firing, run *Run, at time.Time) (after scheduler.Streak, o scheduler.Occasion, told bool) {
	judge := k.Notify.Failed
	switch {
	case run != nil && run.ok():
		judge = k.Notify.Succeeded
	case run != nil && f.reason != "":
		judge = k.Notify.Ended
	}
	after, o, told = judge(k.Streak)
	if after.Failures > 0 && k.Streak.Failures == 0 {
		after.Since = at
	}
	return after, o, told
}

// repeat lets the hosts of a run that was cut off and whose end nobody knows have
// the command again, if the job's command is made for that, nobody wanted it to
// be ended, and it is not too late.
func repeat(ctx context.Context, tx *sql.Tx, k *scheduler.Kept, f *firing, run *Run, now time.Time) error {
	if !k.Idempotent || k.Broken != nil || k.Paused || run.KillBy != "" || run.Summary.Counts[fanout.Lost]+run.Summary.Counts[fanout.Skipped] == 0 {
		return nil
	}
	timing, err := k.Timing(now)
	if err != nil {
		return nil // a job without a time any more has no window either
	}
	window := 24 * time.Hour
	if timing.Period > 0 {
		window = min(window, timing.Period)
	}
	if now.Sub(f.due) > max(window, k.Grace) {
		return nil
	}
	busy, err := busyWith(ctx, tx, k.ID, f.id)
	if err != nil {
		return err
	}
	v := k.Overlap.Decide(busy.begun+busy.unbegun, busy.waiting, k.MaxRunning)
	if v.End {
		return nil // what is newer is not ended for the sake of what is older
	}
	again := firing{
		jobID: k.ID, job: k.Name, due: f.due, decision: v.Decision, reason: v.Reason, waited: v.Decision == scheduler.Queued,
		decided: now, requestedBy: f.requestedBy, repeats: run.ID,
	}
	if v.Decision == scheduler.Skipped {
		again.settled = now
	}
	return again.insert(ctx, tx)
}
