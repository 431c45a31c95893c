package store

import (
	"context"
	"database/sql"
	"time"

	"tutti/scheduler"
)

// insertMissed writes down the instants that are not run, if there are any, and
// returns the number of their firing. What the history has already, because the
// clock was put back and forward again, is not counted twice.
func insertMissed(ctx context.Context, tx *sql.Tx, d *scheduler.Decisions, now time.Time) (id int64, err error) {
	gap := d.Missed
	if gap.Count == 0 {
		return 0, nil
	}
	first, last := timeText(gap.First), timeText(gap.Last)
	var known int
	err = tx.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM firings WHERE job_id = @job AND scheduled_at BETWEEN @first AND @last)
			+ (SELECT coalesce(sum(count), 0) FROM firings
				WHERE job_id = @job AND first_at IS NOT NULL AND last_at BETWEEN @first AND @last AND first_at >= @first)`,
		sql.Named("job", d.Job.ID), sql.Named("first", first), sql.Named("last", last)).Scan(&known)
	if err != nil || known >= gap.Count {
		return 0, err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO firings (job_id, job, decision, reason, count, more, first_at, last_at, decided_at, settled_at)
		VALUES (?, ?, 'missed', ?, ?, ?, ?, ?, ?, ?)`,
		d.Job.ID, d.Job.Name, text(d.MissedReason), gap.Count-known, gap.More, first, last, timeText(now), timeText(now))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// closeUnbegun closes the firings of a job that are to run and have not begun.
// Whoever was about to begin one of them finds it gone.
func closeUnbegun(ctx context.Context, tx *sql.Tx, job int64, reason string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE firings SET decision = 'skipped', reason = ?, settled_at = ?
		WHERE job_id = ? AND settled_at IS NULL AND run_id IS NULL AND decision IN ('run', 'queued')`,
		reason, timeText(now), job)
	return err
}
