package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tutti/scheduler"
)

const firingColumns = `id, job_id, job, scheduled_at, due_at, moved, decision, reason, run_id, count, more, first_at, last_at,
	decided_at, requested_by, waited, caught_up, repeats, daemon_id, settled_at`

// openFirings are those that have not come to their end, in the words of the
// index firings_open; unbegun are those of them that may still be begun.
const (
	openFirings = "settled_at IS NULL"
	unbegun     = openFirings + " AND run_id IS NULL AND decision IN ('run', 'queued')"
)

func selectFirings(ctx context.Context, q queryer, where string, args ...any) ([]scheduler.FiringRecord, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+firingColumns+" FROM firings WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var firings []scheduler.FiringRecord
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
func firingByID(ctx context.Context, q queryer, id int64) (scheduler.FiringRecord, error) {
	firings, err := selectFirings(ctx, q, "id = ?", id)
	if err == nil && len(firings) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return scheduler.FiringRecord{}, err
	}
	return firings[0], nil
}

func scanFiring(rows *sql.Rows) (f scheduler.FiringRecord, err error) {
	var scheduled, due, moved, reason, first, last, decided, requestedBy, settled sql.NullString
	var run, repeats, daemon sql.NullInt64
	var decision string
	err = rows.Scan(&f.ID, &f.JobID, &f.Job, &scheduled, &due, &moved, &decision, &reason, &run, &f.Gap.Count, &f.Gap.More,
		&first, &last, &decided, &requestedBy, &f.Waited, &f.CaughtUp, &repeats, &daemon, &settled)
	if err != nil {
		return f, err
	}
	f.Moved, f.Reason, f.RequestedBy = moved.String, reason.String, requestedBy.String
	f.Run, f.Repeats, f.Daemon = run.Int64, repeats.Int64, daemon.Int64
	if f.Decision, err = parseDecision(decision); err != nil {
		return f, err
	}
	err = parseTimes(timeCell{&f.At, scheduled}, timeCell{&f.Due, due}, timeCell{&f.Gap.First, first},
		timeCell{&f.Gap.Last, last}, timeCell{&f.Decided, decided}, timeCell{&f.Settled, settled})
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

// insertFiring writes a new firing down under its number.
func insertFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO firings ("+firingColumns+") VALUES ("+placeholders(20)+")",
		f.ID, f.JobID, f.Job, timeText(f.At), timeText(f.Due), text(f.Moved), f.Decision.String(), text(f.Reason), number(f.Run),
		max(f.Gap.Count, 1), f.Gap.More, timeText(f.Gap.First), timeText(f.Gap.Last), timeText(f.Decided),
		text(f.RequestedBy), f.Waited, f.CaughtUp, number(f.Repeats), number(f.Daemon), timeText(f.Settled))
	return err
}

// updateFiring writes down what may change of a firing.
func updateFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	_, err := tx.ExecContext(ctx, "UPDATE firings SET decision = ?, reason = ?, run_id = ?, daemon_id = ?, settled_at = ? WHERE id = ?",
		f.Decision.String(), text(f.Reason), number(f.Run), number(f.Daemon), timeText(f.Settled), f.ID)
	return err
}

// jobOrRemoved is the job of that number; of one that was removed it is name and
// number, and removed is true.
func (s *Store) jobOrRemoved(ctx context.Context, q queryer, id int64, name string) (k scheduler.Kept, removed bool, err error) {
	k, err = s.jobByID(ctx, q, id)
	if errors.Is(err, sql.ErrNoRows) {
		return scheduler.Kept{Job: scheduler.Job{Name: name}, ID: id}, true, nil
	}
	return k, false, err
}
