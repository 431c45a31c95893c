package store

import (
	"context"
	"database/sql"
	"time"

	"tutti/scheduler"
)

// Decide writes down what becomes of instants and moves the job's cursor; see
// [scheduler.Jobs].
func (d *Daemon) Decide(ctx context.Context, what scheduler.Decisions) (tickets []scheduler.Ticket, err error) {
	err = d.store.change(ctx, func(tx *sql.Tx) error {
		past, err := pastOf(ctx, tx, &what)
		if err != nil {
			return err
		}
		t, err := d.store.apply(ctx, tx, what.Job.ID, what.Job.Name, d.clock(), func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Decide(what, past, at)
		})
		tickets = t.Tickets
		return err
	})
	if err != nil {
		return nil, err
	}
	return tickets, nil
}

// pastOf is what the history has already of the instants.
func pastOf(ctx context.Context, tx *sql.Tx, d *scheduler.Decisions) (past scheduler.Past, err error) {
	known := make(map[int64]bool)
	for _, list := range [][]scheduler.Firing{d.CaughtUp, d.Firings} {
		for _, x := range list {
			if known[x.At.UnixNano()], err = isKnown(ctx, tx, d.Job.ID, x.At); err != nil {
				return past, err
			}
		}
	}
	past.Known = func(at time.Time) bool { return known[at.UnixNano()] }
	past.Missed, err = knownMissed(ctx, tx, d.Job.ID, d.Missed)
	return past, err
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

// knownMissed is how many instants of a gap the history has already, because the
// clock was put back and forward again.
func knownMissed(ctx context.Context, tx *sql.Tx, job int64, gap scheduler.Gap) (known int, err error) {
	if gap.Count == 0 {
		return 0, nil
	}
	err = tx.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM firings WHERE job_id = @job AND scheduled_at BETWEEN @first AND @last)
			+ (SELECT coalesce(sum(count), 0) FROM firings
				WHERE job_id = @job AND first_at IS NOT NULL AND last_at BETWEEN @first AND @last AND first_at >= @first)`,
		sql.Named("job", job), sql.Named("first", timeText(gap.First)), sql.Named("last", timeText(gap.Last))).Scan(&known)
	return known, err
}

// Fail closes a claimed firing that was not begun; see [scheduler.Jobs].
func (d *Daemon) Fail(ctx context.Context, t scheduler.Ticket, decision scheduler.Decision, reason string) error {
	return d.store.change(ctx, func(tx *sql.Tx) error {
		_, err := d.store.apply(ctx, tx, t.Job.ID, t.Job.Name, d.clock(), func(s scheduler.JobState, at scheduler.Moment) (scheduler.Transition, error) {
			return s.Fail(t.ID, d.id, decision, reason, at)
		})
		return err
	})
}
