package scheduler

import (
	"context"
	"errors"
	"time"

	"tutti/fanout"
)

// A Kept job is one that the history has, and how far it is.
type Kept struct {
	Job
	// ID is the job's own for ever; a name may be given to another job later.
	ID int64
	// Cursor is the last instant that was decided, in UTC.
	Cursor time.Time
	Streak Streak
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

// A Ticket is a firing that the history has, and that is begun once.
type Ticket struct {
	// ID is the firing's number.
	ID int64
	// Job is as it was when the ticket was claimed.
	Job Kept
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
	// means that somebody else was faster.
	Job Kept
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

// An Ending is a firing that has come to its end, told once.
type Ending struct {
	Ticket
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
	Streak Streak
}

// ErrConflict is returned when the job was changed, or its instants decided, by
// somebody else in the meantime. Nothing was written.
var ErrConflict = errors.New("somebody else was faster")

// ErrTaken is returned when a firing is not, or no longer, for the caller to
// begin.
var ErrTaken = errors.New("the firing is not ours to begin")

// Jobs keep what the daemon decides, so that several daemons on one history
// fire each instant once, and a crash forgets nothing. Each method is one
// transaction, and what it decides are the rules of [JobState]. A daemon calls
// them from one goroutine.
type Jobs interface {
	// Changed reports whether another connection has written to the history
	// since the last call, or this is the first.
	Changed(ctx context.Context) (bool, error)
	// Kept are all jobs, by name.
	Kept(ctx context.Context) ([]Kept, error)
	// Decide writes down what becomes of instants and moves the job's cursor,
	// or returns [ErrConflict]. Overlap is decided here, against the firings
	// that run and wait; those that have to be ended are marked as to be killed.
	// An instant that the history has already is left as it is. It returns what
	// became of CaughtUp and Firings, in their order, without those.
	Decide(ctx context.Context, d Decisions) ([]Ticket, error)
	// Claim gives the caller the firings that may begin now and belong to no
	// daemon that is alive: new ones, ones that waited and now may, ones that
	// were asked for out of turn, and those of a daemon that ended before it
	// began them. A ticket with a Decision other than Run was closed instead,
	// and is returned to be told.
	Claim(ctx context.Context, now time.Time) ([]Ticket, error)
	// Fail closes a claimed firing that was not begun: decision is Failed, Missed
	// for one that came too late, or Skipped if somebody did not want it any
	// more, which is no failure of the job. It is [ErrConflict] if the firing was
	// closed already, or is somebody else's.
	Fail(ctx context.Context, t Ticket, decision Decision, reason string) error
	// Settle returns the firings that have ended since the last call of any
	// daemon, each once, with the streak they leave; it writes down who has to
	// be told, and what an idempotent job has to repeat.
	Settle(ctx context.Context, now time.Time) ([]Ending, error)
	// Repair marks the runs of processes that are gone as interrupted.
	Repair(ctx context.Context) error
	// Killed returns which of the runs somebody wants to be ended.
	Killed(ctx context.Context, runs []int64) ([]int64, error)
}
