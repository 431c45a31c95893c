package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tutti/scheduler"
)

const firingColumns = `id, job_id, job, scheduled_at, due_at, moved, decision, reason, run_id, count, more, first_at, last_at,
	decided_at, requested_by, waited, caught_up, repeats, daemon_id, settled_at, attached, repeats_at, unproved, ended`

// openFirings selects the firings that are not settled, in the words of the index
// firings_open.
const openFirings = "settled_at IS NULL"

// selectFirings calls unreadable with a row that cannot be read, and the error, which it
// may handle.
func selectFirings(ctx context.Context, q queryer, unreadable func(*scheduler.FiringRecord, error) error, where string, args ...any) ([]scheduler.FiringRecord, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+firingColumns+" FROM firings WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var firings []scheduler.FiringRecord
	for rows.Next() {
		f, err := scanFiring(rows)
		if err != nil {
			err = unreadable(&f, err)
		}
		if err != nil {
			return nil, err
		}
		firings = append(firings, f)
	}
	return firings, rows.Err()
}

// refuseFiring does not handle a firing that cannot be read.
func refuseFiring(_ *scheduler.FiringRecord, err error) error { return err }

// failFiring makes a failed firing of one that cannot be read, so that a list has it and
// the others.
func failFiring(f *scheduler.FiringRecord, err error) error {
	if _, ok := errors.AsType[*scheduler.StateError](err); !ok {
		return err
	}
	f.Decision, f.Reason = scheduler.Failed, err.Error()
	return nil
}

// firingByID returns sql.ErrNoRows if there is no such firing.
func firingByID(ctx context.Context, q queryer, id int64) (scheduler.FiringRecord, error) {
	firings, err := selectFirings(ctx, q, refuseFiring, "id = ?", id)
	if err == nil && len(firings) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return scheduler.FiringRecord{}, err
	}
	return firings[0], nil
}

// wrongFiring returns a *scheduler.StateError about a firing that cannot be read; nil
// for nil.
func wrongFiring(id int64, err error) error {
	if err == nil {
		return nil
	}
	return &scheduler.StateError{What: fmt.Sprintf("firing %d", id), Err: err}
}

// scanFiring reads a firing, and more columns into more. If it is a *scheduler.StateError
// the firing's numbers and the name of its job are known.
func scanFiring(rows *sql.Rows, more ...any) (f scheduler.FiringRecord, err error) {
	var scheduled, due, moved, reason, first, last, decided, requestedBy, settled, repeatsAt, ended sql.NullString
	var run, repeats, daemon sql.NullInt64
	var decision string
	fields := []any{
		&f.ID, &f.JobID, &f.Job, &scheduled, &due, &moved, &decision, &reason, &run, &f.Gap.Count, &f.Gap.More,
		&first, &last, &decided, &requestedBy, &f.Waited, &f.CaughtUp, &repeats, &daemon, &settled,
		&f.Attached, &repeatsAt, &f.Unproved, &ended,
	}
	if err := rows.Scan(append(fields, more...)...); err != nil {
		return f, cmp.Or(scanFirst(rows, &f.ID, &f.JobID, &f.Job), wrongFiring(f.ID, err))
	}
	f.Shifted, f.Reason, f.RequestedBy = moved.String, reason.String, requestedBy.String
	f.Run, f.Repeats, f.Daemon = run.Int64, repeats.Int64, daemon.Int64
	if f.Decision, err = parseDecision(decision); err != nil {
		return f, wrongFiring(f.ID, err)
	}
	if ended.Valid {
		if err := json.Unmarshal([]byte(ended.String), &f.Ended); err != nil {
			return f, wrongFiring(f.ID, err)
		}
	}
	err = parseTimes(timeCell(&f.RepeatsAt, repeatsAt), timeCell(&f.At, scheduled), timeCell(&f.Due, due), timeCell(&f.Gap.First, first),
		timeCell(&f.Gap.Last, last), timeCell(&f.Decided, decided), timeCell(&f.Settled, settled))
	return f, wrongFiring(f.ID, err)
}

func parseDecision(word string) (scheduler.Decision, error) {
	for d := scheduler.Run; d <= scheduler.Refused; d++ {
		if d.String() == word {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown decision %q", word)
}

// insertFiring writes a new firing under its number.
func insertFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	ended, err := endedText(f)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO firings ("+firingColumns+") VALUES ("+placeholders(24)+")",
		f.ID, f.JobID, f.Job, timeText(f.At), timeText(f.Due), text(f.Shifted), f.Decision.String(), text(f.Reason), number(f.Run),
		max(f.Gap.Count, 1), f.Gap.More, timeText(f.Gap.First), timeText(f.Gap.Last), timeText(f.Decided),
		text(f.RequestedBy), f.Waited, f.CaughtUp, number(f.Repeats), number(f.Daemon), timeText(f.Settled),
		f.Attached, timeText(f.RepeatsAt), f.Unproved, ended)
	return err
}

// updateFiring writes the columns of a firing that may change.
func updateFiring(ctx context.Context, tx *sql.Tx, f *scheduler.FiringRecord) error {
	ended, err := endedText(f)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE firings SET decision = ?, reason = ?, run_id = ?, daemon_id = ?, settled_at = ?, attached = ?, unproved = ?, ended = ? WHERE id = ?`,
		f.Decision.String(), text(f.Reason), number(f.Run), number(f.Daemon), timeText(f.Settled), f.Attached, f.Unproved, ended, f.ID)
	return err
}

// endedText returns how the run of an open firing ended, as JSON; nil for a settled
// one, whose run is in the history.
func endedText(f *scheduler.FiringRecord) (any, error) {
	if f.Ended == nil || !f.Settled.IsZero() {
		return nil, nil
	}
	said, err := json.Marshal(f.Ended)
	return string(said), err
}

// exists reports whether the query has a row.
func exists(ctx context.Context, q queryer, query string, args ...any) (some bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&some)
	return some, err
}
