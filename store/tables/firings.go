package tables

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tutti/scheduler"
)

// FiringColumns are the columns of a firing, in the order of ScanFiring and NewFiring.
const FiringColumns = `id, job_id, job, scheduled_at, due_at, moved, decision, reason, run_id, count, more, first_at, last_at,
	decided_at, requested_by, waited, caught_up, repeats, daemon_id, settled_at, attached, repeats_at, unproved, ended`

// NumFiringColumns is how many they are.
const NumFiringColumns = 24

// OpenFiring selects the firings that are not settled, in the words of the index
// firings_open.
const OpenFiring = "settled_at IS NULL"

// OpenFirings are the open firings of jobs, with the request to stop their runs, for
// [Subjects.Firing]. The numbers of the jobs and the order follow.
const OpenFirings = "SELECT " + FiringColumns + `, kill_at, kill_by, kill_how = 'halt', replaced_by,
		(SELECT coalesce(later.scheduled_at, later.decided_at) FROM firings AS later WHERE later.id = replaced_by)
	FROM firings LEFT JOIN (SELECT id AS run, kill_at, kill_by, kill_how, replaced_by FROM runs) AS stops ON run = run_id
	WHERE ` + OpenFiring + " AND job_id "

// A Scan reads columns of a row.
type Scan func(dest ...any) error

// wrongFiring returns a *scheduler.StateError about a firing that cannot be read; nil
// for nil.
func wrongFiring(id int64, err error) error {
	if err == nil {
		return nil
	}
	return &scheduler.StateError{What: fmt.Sprintf("firing %d", id), Err: err}
}

// ScanFiring reads a firing, and more columns into more. If it is a *scheduler.StateError
// the firing's numbers and the name of its job are known. first reads the first columns of
// a row of which others cannot be read.
func ScanFiring(scan, first Scan, more ...any) (f scheduler.FiringRecord, err error) {
	var scheduled, due, moved, reason, firstAt, lastAt, decided, requestedBy, settled, repeatsAt, ended sql.NullString
	var run, repeats, daemon sql.NullInt64
	var decision string
	fields := []any{
		&f.ID, &f.JobID, &f.Job, &scheduled, &due, &moved, &decision, &reason, &run, &f.Gap.Count, &f.Gap.More,
		&firstAt, &lastAt, &decided, &requestedBy, &f.Waited, &f.CaughtUp, &repeats, &daemon, &settled,
		&f.Attached, &repeatsAt, &f.Unproved, &ended,
	}
	if err := scan(append(fields, more...)...); err != nil {
		return f, cmp.Or(first(&f.ID, &f.JobID, &f.Job), wrongFiring(f.ID, err))
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
	err = ParseTimes(TimeCell{&f.RepeatsAt, repeatsAt}, TimeCell{&f.At, scheduled}, TimeCell{&f.Due, due}, TimeCell{&f.Gap.First, firstAt},
		TimeCell{&f.Gap.Last, lastAt}, TimeCell{&f.Decided, decided}, TimeCell{&f.Settled, settled})
	return f, wrongFiring(f.ID, err)
}

// scanOpenFiring reads a row of OpenFirings.
func scanOpenFiring(scan, first Scan) (f scheduler.FiringRecord, err error) {
	var stopAt, by, replacedAt sql.NullString
	var halt sql.NullBool
	var replacedBy sql.NullInt64
	f, err = ScanFiring(scan, first, &stopAt, &by, &halt, &replacedBy, &replacedAt)
	if err == nil && by.Valid {
		f.Stop = scheduler.Stop{Run: f.Run, By: by.String, Halt: halt.Bool, ReplacedBy: replacedBy.Int64}
		err = wrongFiring(f.ID, ParseTimes(TimeCell{&f.Stop.At, stopAt}, TimeCell{&f.Stop.ReplacedAt, replacedAt}))
	}
	return f, err
}

func parseDecision(word string) (scheduler.Decision, error) {
	for d := scheduler.Run; d <= scheduler.Refused; d++ {
		if d.String() == word {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown decision %q", word)
}

// RefuseFiring does not handle a firing that cannot be read.
func RefuseFiring(_ *scheduler.FiringRecord, err error) error { return err }

// FailFiring makes a failed firing of one that cannot be read, so that a list has it and
// the others.
func FailFiring(f *scheduler.FiringRecord, err error) error {
	if _, ok := errors.AsType[*scheduler.StateError](err); !ok {
		return err
	}
	f.Decision, f.Reason = scheduler.Failed, err.Error()
	return nil
}

// NewFiring are the values of FiringColumns.
func NewFiring(f *scheduler.FiringRecord) ([]any, error) {
	ended, err := endedText(f)
	return []any{
		f.ID, f.JobID, f.Job, Time(f.At), Time(f.Due), Text(f.Shifted), f.Decision.String(), Text(f.Reason), Number(f.Run),
		max(f.Gap.Count, 1), f.Gap.More, Time(f.Gap.First), Time(f.Gap.Last), Time(f.Decided),
		Text(f.RequestedBy), f.Waited, f.CaughtUp, Number(f.Repeats), Number(f.Daemon), Time(f.Settled),
		f.Attached, Time(f.RepeatsAt), f.Unproved, ended,
	}, err
}

// FiringChanges are the columns of a firing that may change, in the order of ChangedFiring.
const FiringChanges = "decision, reason, run_id, daemon_id, settled_at, attached, unproved, ended"

// NumFiringChanges is how many they are.
const NumFiringChanges = 8

// ChangedFiring are the values of FiringChanges, and the number of the firing.
func ChangedFiring(f *scheduler.FiringRecord) ([]any, error) {
	ended, err := endedText(f)
	return []any{
		f.Decision.String(), Text(f.Reason), Number(f.Run), Number(f.Daemon), Time(f.Settled), f.Attached, f.Unproved, ended, f.ID,
	}, err
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
