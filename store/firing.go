package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tutti/scheduler"
)

// A firing is a row of firings.
type firing struct {
	id, jobID       int64
	job             string
	scheduled, due  time.Time
	moved           string
	decision        scheduler.Decision
	reason          string
	run             int64
	gap             scheduler.Gap // its Count is 1 of a firing that is no gap
	decided         time.Time
	requestedBy     string
	waited          bool
	caughtUp        bool
	repeats, daemon int64
	settled         time.Time
}

const firingColumns = `id, job_id, job, scheduled_at, due_at, moved, decision, reason, run_id, count, more, first_at, last_at,
	decided_at, requested_by, waited, caught_up, repeats, daemon_id, settled_at`

// openFirings are those that have not come to their end, in the words of the
// index firings_open; unbegun are those of them that may still be begun.
const (
	openFirings = "settled_at IS NULL"
	unbegun     = openFirings + " AND run_id IS NULL AND decision IN ('run', 'queued')"
)

func selectFirings(ctx context.Context, q queryer, where string, args ...any) ([]firing, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+firingColumns+" FROM firings WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var firings []firing
	for rows.Next() {
		f, err := scanFiring(rows)
		if err != nil {
			return nil, err
		}
		firings = append(firings, f)
	}
	return firings, rows.Err()
}

// firingByID returns sql.ErrNoRows if there is no such firing.
func firingByID(ctx context.Context, q queryer, id int64) (firing, error) {
	firings, err := selectFirings(ctx, q, "id = ?", id)
	if err == nil && len(firings) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return firing{}, err
	}
	return firings[0], nil
}

func scanFiring(rows *sql.Rows) (f firing, err error) {
	var scheduled, due, moved, reason, first, last, decided, requestedBy, settled sql.NullString
	var run, repeats, daemon sql.NullInt64
	var decision string
	err = rows.Scan(&f.id, &f.jobID, &f.job, &scheduled, &due, &moved, &decision, &reason, &run, &f.gap.Count, &f.gap.More,
		&first, &last, &decided, &requestedBy, &f.waited, &f.caughtUp, &repeats, &daemon, &settled)
	if err != nil {
		return f, err
	}
	f.moved, f.reason, f.requestedBy = moved.String, reason.String, requestedBy.String
	f.run, f.repeats, f.daemon = run.Int64, repeats.Int64, daemon.Int64
	if f.decision, err = parseDecision(decision); err != nil {
		return f, err
	}
	err = parseTimes(timeCell{&f.scheduled, scheduled}, timeCell{&f.due, due}, timeCell{&f.gap.First, first},
		timeCell{&f.gap.Last, last}, timeCell{&f.decided, decided}, timeCell{&f.settled, settled})
	return f, err
}

func parseDecision(word string) (scheduler.Decision, error) {
	for d := scheduler.Run; d <= scheduler.Failed; d++ {
		if d.String() == word {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown decision %q", word)
}

// insert writes the firing down and gives it its number.
func (f *firing) insert(ctx context.Context, tx *sql.Tx) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO firings (job_id, job, scheduled_at, due_at, moved, decision, reason, count, more, first_at, last_at,
			decided_at, requested_by, waited, caught_up, repeats, daemon_id, settled_at)
		VALUES (`+placeholders(18)+`)`,
		f.jobID, f.job, timeText(f.scheduled), timeText(f.due), text(f.moved), f.decision.String(), text(f.reason),
		max(f.gap.Count, 1), f.gap.More, timeText(f.gap.First), timeText(f.gap.Last),
		timeText(f.decided), text(f.requestedBy), f.waited, f.caughtUp, number(f.repeats), number(f.daemon), timeText(f.settled))
	if err != nil {
		return err
	}
	f.id, err = res.LastInsertId()
	return err
}

// close says that the firing is not begun. One that failed has still to be
// settled.
func (f *firing) close(ctx context.Context, tx *sql.Tx, decision scheduler.Decision, reason string, now time.Time) error {
	f.decision, f.reason = decision, reason
	if decision != scheduler.Failed {
		f.settled = now
	}
	_, err := tx.ExecContext(ctx, "UPDATE firings SET decision = ?, reason = ?, settled_at = ? WHERE id = ?",
		decision.String(), text(reason), timeText(f.settled), f.id)
	return err
}

// ticket is the firing as a daemon sees it.
func (f *firing) ticket(k *scheduler.Kept) scheduler.Ticket {
	t := scheduler.Ticket{
		ID: f.id, Job: *k, Decision: f.decision, Reason: f.reason,
		RequestedBy: f.requestedBy, Repeats: f.repeats, Waited: f.waited,
	}
	if f.requestedBy == "" {
		t.Firing = scheduler.Firing{Instant: scheduler.Instant{At: f.scheduled, Moved: f.moved}, Due: f.due}
		if zone, err := scheduler.LoadZone(k.Zone); err == nil && !f.scheduled.IsZero() {
			t.Firing.At = f.scheduled.In(zone) // a job without a zone tells in UTC
		}
	}
	return t
}

// jobOf is the job of a firing; of one that was removed it is name and number,
// and gone is true.
func (s *Store) jobOf(ctx context.Context, q queryer, f *firing) (k scheduler.Kept, gone bool, err error) {
	k, err = s.jobByID(ctx, q, f.jobID)
	if errors.Is(err, sql.ErrNoRows) {
		return scheduler.Kept{Job: scheduler.Job{Name: f.job}, ID: f.jobID}, true, nil
	}
	return k, false, err
}
