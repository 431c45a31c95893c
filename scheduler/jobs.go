package scheduler

import (
	"errors"
	"time"

	"tutti/fanout"
)

// A StoredJob job is one that the history has, and how far it is.
type StoredJob struct {
	Job
	// ID is the job's own for ever; a name may be given to another job later.
	ID int64
	// Cursor is the last instant that was decided, in UTC.
	Cursor time.Time
	ConsecutiveFailures
	// Alarm says what somebody has to look at, such as a clock that was put
	// back; empty: nothing.
	Alarm string
	// Broken says why the job cannot be read any more; nil: it can. A broken
	// job has a name and an ID, and does not fire.
	Broken error
	// UpdatedAt is when it was last changed, and UpdatedBy by whom.
	UpdatedAt time.Time
	UpdatedBy string
}

// A StateError says what of a job's state cannot be read, and why: the ledger's data is
// damaged. Such a job is broken. What runs of it goes on and may be stopped, nothing new is
// decided, and what cannot be read stays as it is until the job is replaced or removed.
type StateError struct {
	What string
	Err  error
}

func (e *StateError) Error() string { return e.What + ": " + e.Err.Error() }

func (e *StateError) Unwrap() error { return e.Err }

// Damaged reports whether the job's state cannot be read.
func (k *StoredJob) Damaged() bool {
	_, damaged := errors.AsType[*StateError](k.Broken)
	return damaged
}

// A Assignment is a firing that the history has, and that is begun once.
type Assignment struct {
	// ID is the firing's number.
	ID int64
	// Job is as it was when the ticket was claimed.
	Job StoredJob
	// Firing is the instant; zero for a job that is run out of turn, which is
	// due when somebody asked for it.
	Firing Firing
	// Decision is [Run] unless somebody has to be told otherwise.
	Decision Decision
	// Reason says why the decision is not Run, and of a run that has ended who
	// wanted that; empty if nobody did.
	Reason string
	// RequestedBy is who wanted the job to be run out of turn; empty: nobody.
	RequestedBy string
	// Repeats is the number of a run that was cut off and whose hosts without a
	// known end are to be run again; 0: it is none.
	Repeats int64
	// Waited: the firing was queued until an earlier one had ended, and is not
	// too late for that.
	Waited bool
}

// Decisions are what becomes of a row of a job's instants. They are written down
// as a whole or not at all.
type Decisions struct {
	// Job is as it was read; another version or another cursor in the history
	// means that conflicting update.
	Job StoredJob
	// CaughtUp are late and to be run all the same, oldest first and before
	// Firings: each waits for the one before it, see [Overlap.CatchUp].
	CaughtUp []Firing
	// Firings are those to be run, as far as the job's Overlap lets them.
	Firings []Firing
	// Missed are those that are not run, and MissedReason says why.
	Missed       Gap
	MissedReason string
	// Cursor is the new one.
	Cursor time.Time
	// Alarm replaces the job's, unless it is empty.
	Alarm string
}

// An Completion is a firing that has come to its end, told once.
type Completion struct {
	Assignment
	// Run is the number of its run; 0: it was not begun.
	Run int64
	// OK: all hosts are ok.
	OK bool
	// OnRequest: it was cut short because somebody wanted that, as the Reason
	// says, and the job's streak is as it was.
	OnRequest bool
	// Interrupted: the process that ran it is gone.
	Interrupted bool
	Summary     fanout.Summary
	// Streak is the job's now.
	ConsecutiveFailures
}

// ErrConflict is returned when the job was changed, or its instants decided, by
// somebody else in the meantime. Nothing was written.
var ErrConflict = errors.New("conflicting update")

// ErrBusy is returned when other processes were faster as often as a change was tried:
// the rules have nothing against it.
var ErrBusy = errors.New("the history is busy")

// ErrTaken is returned when a firing, or a run, is not, or no longer, the caller's.
var ErrTaken = errors.New("another process has taken it over")

// ErrKnown is returned when an instant has a firing already although the state
// does not say so. Nothing was written.
var ErrKnown = errors.New("the scheduled time already has a firing")

// ErrFenced is returned when the caller's registration is over: nothing of it is
// accepted any more.
var ErrFenced = errors.New("the registration is over")
