package scheduler

import (
	"errors"
	"time"

	"tutti/fanout"
)

// A StoredJob is a job as stored in the history, with its scheduling state.
type StoredJob struct {
	Job
	// ID never changes and is never used again; a later job may have the same name.
	ID int64
	// Cursor is the last scheduled time that was decided, in UTC.
	Cursor time.Time
	ConsecutiveFailures
	// Alarm is what an operator has to look at, such as a clock that was set back;
	// empty: nothing. An edit of the job clears it.
	Alarm string
	// Pause is how it was paused.
	Pause Pause
	// Broken is why the job cannot be read any more; nil: it can. A broken job has a
	// name and an ID, and does not fire.
	Broken error
	// UpdatedAt is the time of the last change, and UpdatedBy the user who made it.
	UpdatedAt time.Time
	UpdatedBy string
}

// A StateError is a part of a job's state that cannot be read, because the ledger's
// data is damaged. Such a job is broken: its runs go on and can be stopped, and it
// decides nothing new until it is edited or removed, which settles its unreadable
// firings as failed.
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

// An Assignment is a decided firing with its job, as a daemon executes it.
type Assignment struct {
	// ID is the firing's number.
	ID int64
	// Job is the job as it was when the firing was decided or claimed.
	Job StoredJob
	// Firing is the scheduled and the due time; zero for a manual firing.
	Firing Firing
	// Decision is [Run] for a firing to execute; the caller reports any other.
	Decision Decision
	// Reason is why the decision is not Run, and in a [Completion] who stopped the run;
	// empty otherwise.
	Reason string
	// RequestedBy is the user who started the job manually; empty: its schedule did.
	RequestedBy string
	// Repeats is the number of an interrupted run, whose hosts without a known result
	// run the command again; 0: this is no repetition.
	Repeats int64
	// Waited: the firing was queued behind an earlier one, so that its lateness does
	// not count.
	Waited bool
}

// Decisions are what a daemon decided about consecutive scheduled times of a job. They
// are committed as a whole or not at all.
type Decisions struct {
	// Job is the job as it was read. If the ledger has another version or cursor, the
	// commit is an [ErrConflict].
	Job StoredJob
	// CaughtUp are late and run all the same, oldest first and before Firings: each
	// waits for the one before it, see [Overlap.CatchUp].
	CaughtUp []Firing
	// Firings are on time, and run if the job's Overlap allows it.
	Firings []Firing
	// Missed are the scheduled times that are not run, for MissedReason.
	Missed       Gap
	MissedReason string
	// Cursor is the job's new cursor.
	Cursor time.Time
	// Alarm replaces the job's, unless it is empty.
	Alarm string
}

// A Completion is a firing that has ended and was settled: it exists once, in one
// process.
type Completion struct {
	Assignment
	// Run is the number of its run; 0: it never started.
	Run int64
	// OK: all hosts succeeded.
	OK bool
	// OnRequest: someone stopped the run, as Reason says. The job's consecutive
	// failures are then as before.
	OnRequest bool
	// Interrupted: the process of the run died.
	Interrupted bool
	Summary     fanout.Summary
	// ConsecutiveFailures are the job's, this firing included.
	ConsecutiveFailures
}

// ErrConflict is returned when another process changed the job, or decided its
// scheduled times, since the caller read it. Nothing was written.
var ErrConflict = errors.New("conflicting update")

// ErrBusy is returned when other processes were faster in every attempt at a change
// that the rules allow.
var ErrBusy = errors.New("the history is busy")

// ErrTaken is returned when another process owns the firing or the run.
var ErrTaken = errors.New("another process has taken it over")

// ErrKnown is returned when a scheduled time has a firing already that the state does
// not show. Nothing was written.
var ErrKnown = errors.New("the scheduled time already has a firing")

// ErrFenced is returned when the caller's registration is over: the ledger accepts
// nothing more from it.
var ErrFenced = errors.New("the registration is over")
